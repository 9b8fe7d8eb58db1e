"""What is to be sent to a pager, and how a driver answers. No secret is in here: a route is named, not its key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any, Protocol

from alerts.incident import PageAction
from probes.target import Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    href: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PageEvent:
    """One event for a pager. Everything but the first three fields matters for a trigger only."""

    action: PageAction
    route: str
    dedup_key: str
    summary: str = ""
    source: str = ""
    severity: Severity = "critical"
    timestamp: datetime | None = None
    component: str | None = None
    group: str | None = None
    class_: str | None = None
    details: tuple[tuple[str, str], ...] = ()
    links: tuple[Link, ...] = ()
    client: str = "monitor"
    client_url: str | None = None

    def __post_init__(self) -> None:
        """Raises ValueError: without a dedup key each retry would be another page."""
        if not self.dedup_key or not self.route:
            raise ValueError("a page event needs a dedup key and a route")


@dataclass(frozen=True, slots=True)
class Receipt:
    """The pager took the event; `note` is its own word for it."""

    note: str


class PagerRetry(Exception):
    """The pager did not take the event now; send it again, not before `after_seconds` if that is given.

    `misconfigured`: it will hardly be taken until a person changes something (an address, a key, a certificate).
    """

    def __init__(self, reason: str, after_seconds: float | None = None, *, misconfigured: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.after_seconds = after_seconds
        self.misconfigured = misconfigured


class PagerRefused(Exception):
    """The pager will never take this event as it is: park it where people see it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Pager(Protocol):
    """A driver. `send` ends within the driver's own total deadline, whatever the other side does."""

    async def send(self, event: PageEvent) -> Receipt:
        """Raises PagerRetry or PagerRefused; anything else is a defect of the driver."""
        ...

    async def close(self) -> None: ...


def event_to_json(event: PageEvent) -> dict[str, Any]:
    """The event as plain JSON values, for the outbox; `event_from_json` gives the same event back."""
    row = asdict(event)
    row["action"] = event.action.value
    row["timestamp"] = None if event.timestamp is None else event.timestamp.isoformat()
    row["details"] = [list(pair) for pair in event.details]
    row["links"] = [{"href": link.href, "text": link.text} for link in event.links]
    return row


def event_from_json(row: Mapping[str, Any]) -> PageEvent:
    """Unknown fields, of a newer version's rows, are passed over: a page must go out after a roll-back too.

    Raises KeyError or ValueError when the row is none that `event_to_json` made.
    """
    values = {field.name: row[field.name] for field in fields(PageEvent) if field.name in row}
    values["action"] = PageAction(row["action"])
    timestamp = row.get("timestamp")
    values["timestamp"] = None if timestamp is None else datetime.fromisoformat(timestamp)
    values["details"] = tuple((str(name), str(value)) for name, value in row.get("details", ()))
    values["links"] = tuple(Link(href=link["href"], text=link["text"]) for link in row.get("links", ()))
    for required in ("route", "dedup_key"):
        values[required] = row[required]
    return PageEvent(**values)
