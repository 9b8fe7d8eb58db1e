"""What is to be sent to a pager, and how a driver answers. No secret is in here: a route is named, not its key."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

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
