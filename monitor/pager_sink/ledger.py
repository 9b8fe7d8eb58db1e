"""What the sink got, with PagerDuty's meaning: one open alert a key, what comes after a resolve is a new one."""

from __future__ import annotations

import hashlib
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from alerts.incident import PageAction
from monitor.pager_sink.contract import Event

Effect = Literal["opened", "updated", "acknowledged", "resolved", "dropped"]
AlertStatus = Literal["triggered", "acknowledged", "resolved"]
KEPT = 10_000  # entries, and alerts: a sink that runs for weeks stays small


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One taken event and what it did. `key` is a hash of the routing key."""

    number: int
    at: datetime
    key: str
    action: PageAction
    dedup_key: str
    effect: Effect
    body: dict[str, Any]

    def as_json(self) -> dict[str, Any]:
        return {
            "number": self.number,
            "at": self.at.isoformat(),
            "key": self.key,
            "action": self.action.value,
            "dedup_key": self.dedup_key,
            "effect": self.effect,
            "body": self.body,
        }


@dataclass(slots=True, kw_only=True)
class Alert:
    """`log` holds the numbers of the entries that made it what it is."""

    key: str
    dedup_key: str
    status: AlertStatus
    opened_at: datetime
    body: dict[str, Any]
    log: list[int] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return {
            "key": self.key,
            "dedup_key": self.dedup_key,
            "status": self.status,
            "summary": summary_of(self.body),
            "opened_at": self.opened_at.isoformat(),
            "body": self.body,
            "log": self.log,
        }


class Ledger:
    """In memory and bounded: the oldest are forgotten first."""

    def __init__(self) -> None:
        self.entries: deque[Entry] = deque(maxlen=KEPT)
        self.alerts: deque[Alert] = deque(maxlen=KEPT)
        self._open: dict[tuple[str, str], Alert] = {}
        self._number = 0

    def take(self, event: Event) -> Entry:
        self._number += 1
        key = hashlib.sha256(event.key.encode()).hexdigest()[:12]
        at = datetime.now(UTC)
        body = dict(event.body)
        effect = self._apply(key, event, at, body)
        entry = Entry(
            number=self._number,
            at=at,
            key=key,
            action=event.action,
            dedup_key=event.dedup_key,
            effect=effect,
            body=body,
        )
        self.entries.append(entry)
        return entry

    def _apply(self, key: str, event: Event, at: datetime, body: dict[str, Any]) -> Effect:
        place = (key, event.dedup_key)
        alert = self._open.get(place)
        effect: Effect
        if event.action is PageAction.TRIGGER:
            effect = "opened" if alert is None else "updated"
            alert = alert or self._new(place, at, body)
        elif alert is None:
            return "dropped"
        elif event.action is PageAction.ACKNOWLEDGE:
            effect = alert.status = "acknowledged"
        else:
            effect = alert.status = "resolved"
            del self._open[place]
        alert.log.append(self._number)
        return effect

    def _new(self, place: tuple[str, str], at: datetime, body: dict[str, Any]) -> Alert:
        if len(self.alerts) == KEPT:
            forgotten = self.alerts.popleft()
            place_of_it = (forgotten.key, forgotten.dedup_key)
            if self._open.get(place_of_it) is forgotten:
                del self._open[place_of_it]
        alert = Alert(key=place[0], dedup_key=place[1], status="triggered", opened_at=at, body=body)
        self.alerts.append(alert)
        self._open[place] = alert
        return alert


def summary_of(body: dict[str, Any]) -> str:
    payload = body.get("payload")
    text = payload.get("summary") if isinstance(payload, dict) else body.get("description")
    return text if isinstance(text, str) else ""
