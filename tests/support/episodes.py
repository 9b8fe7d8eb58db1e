"""Examples of what rules say and people do, and of the incidents that come of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from alerts.incident import (
    Acknowledged,
    Event,
    Incident,
    PageAction,
    SignalReceived,
    Step,
    TimelineEntry,
    Transition,
)
from alerts.lifecycle import apply, open_incident
from alerts.verdict import Level, Signal, Verdict
from probes.target import Target

NOON = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
SECONDS = 5000.0
PAGED_ONLY = Target(name="api", url="http://api.example/")
BOTH = Target(name="api", url="http://api.example/", route="people", ticket_route="queue", severity="error")
STEPS = (Step(id="look", title="Look"), Step(id="fix", title="Fix"))
TRIGGER, ACKNOWLEDGE, RESOLVE = PageAction.TRIGGER, PageAction.ACKNOWLEDGE, PageAction.RESOLVE


def verdict(rule: str = "outage", level: Level = Level.PAGE, **changes: Any) -> Verdict:
    made = Verdict(
        rule=rule,
        target="api",
        firing=True,
        level=level,
        since_seconds=SECONDS - 49,
        summary="3 failed in a row (timeout)",
    )
    return replace(made, **changes)


TICKET = verdict("certificate", Level.TICKET, summary="ends in 20 days", evidence=(("ends", "in 20 days"),))
PAGE = verdict(evidence=(("expected", "status 200"), ("seen", "timeout")))


def opened(*fired: Verdict, target: Target = PAGED_ONLY, **changes: Any) -> Transition:
    values: dict[str, Any] = {"id": 12, "region": "eu", "episode": 3, "at": NOON, "at_seconds": SECONDS, "steps": STEPS}
    values["signal"] = Signal(target="api", fired=fired or (PAGE,))
    return open_incident(target=target, **(values | changes))


def after(incident: Incident, *events: Event, at: datetime = NOON) -> Transition:
    transition = Transition(incident=incident, entries=(), pages=())
    for event in events:
        transition = apply(transition.incident, event, at)
    return transition


def received(*, target: Target | None = BOTH, **signal: Any) -> SignalReceived:
    return SignalReceived(Signal(target="api", **signal), target, SECONDS)


ACK = Acknowledged("ann", "cli")
CLEAR = received(recovered=(replace(PAGE, firing=False, summary="up again"),), all_clear=True)


def kinds(entries: Sequence[TimelineEntry]) -> list[str]:
    return [entry.kind for entry in entries]
