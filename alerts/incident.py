"""What an incident is, what can happen to it, and under which keys pagers know it; `lifecycle.py` is what comes of it.

An incident has at most one alert open at a pager. A ticket's alert goes to the target's ticket route under a dedup
key of its own; when the ticket grows to a page that alert is resolved there and the page is triggered on the page
route under the incident's dedup key. PagerDuty drops whatever comes through another routing key than the trigger's
did, so `route` always is the one that the open alert went to, whatever the settings say by then.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from alerts.verdict import Level, Signal, Verdict
from probes.target import Severity, Target


class IncidentState(StrEnum):
    TRIGGERED = "triggered"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


class StepState(StrEnum):
    TODO = "todo"
    DOING = "doing"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"


class PageAction(StrEnum):
    """An event of PagerDuty's Events API v2."""

    TRIGGER = "trigger"
    ACKNOWLEDGE = "acknowledge"
    RESOLVE = "resolve"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of the runbook, with the last change that was made to it."""

    id: str
    title: str
    state: StepState = StepState.TODO
    actor: str | None = None
    changed_at: datetime | None = None
    note: str | None = None  # evidence, or why it was skipped or failed


@dataclass(frozen=True, slots=True, kw_only=True)
class RunbookPin:
    """The very text that the incident was opened with: a later edit of the file does not change it."""

    path: str
    title: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Firing:
    """A rule that fires on the incident's target now."""

    rule: str
    level: Level
    summary: str
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineEntry:
    at: datetime
    actor: str  # a person's name, or "monitor"
    source: str  # "daemon", "cli", ...
    kind: str  # opened, fired, recovered, paged, acknowledged, noted, step, resolved
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """One episode of trouble with one target. At most one incident a target is open at a time."""

    id: int
    target: str
    region: str
    episode: int
    dedup_key: str
    state: IncidentState
    level: Level
    severity: Severity
    title: str
    route: str | None  # where the alert of the present level was sent; None: nobody was told through a pager
    opened_at: datetime
    acknowledged_at: datetime | None = None
    acknowledged_by: str | None = None
    resolved_at: datetime | None = None
    resolved_by: str | None = None
    firing: tuple[Firing, ...] = ()
    evidence: tuple[tuple[str, str], ...] = ()
    runbook: RunbookPin | None = None
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What one pager is to be told about one alert."""

    action: PageAction
    route: str
    dedup_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """What became of the incident, what its timeline gains, and what pagers are to be told, in order.

    `left` is what still fires when all that paged has ended: tickets, for an incident of their own.
    """

    incident: Incident
    entries: tuple[TimelineEntry, ...]
    pages: tuple[Page, ...]
    left: tuple[Verdict, ...] = ()


@dataclass(frozen=True, slots=True)
class SignalReceived:
    """Rules changed their minds. `at_seconds` is the monotonic clock's reading at the time of the event."""

    signal: Signal
    target: Target | None  # None: it is no longer in the settings, so its incident can only end
    at_seconds: float


@dataclass(frozen=True, slots=True)
class Acknowledged:
    actor: str
    source: str


@dataclass(frozen=True, slots=True)
class Noted:
    actor: str
    source: str
    text: str


@dataclass(frozen=True, slots=True)
class StepChanged:
    """`note` is evidence, or the reason, which `failed` and `skipped` must have."""

    actor: str
    source: str
    step_id: str
    state: StepState
    note: str | None = None


@dataclass(frozen=True, slots=True)
class ResolvedByHand:
    actor: str
    source: str
    reason: str | None = None


Event = SignalReceived | Acknowledged | Noted | StepChanged | ResolvedByHand


class InvalidTransition(Exception):
    """The incident is in a state in which this cannot be done; the text says which, since when and by whom."""


class UnknownStep(InvalidTransition):
    """The incident's runbook has no such step; the text names those that it has."""


def dedup_key(region: str, target: str, episode: int, opened_at: datetime) -> str:
    """The key of an episode's page: made once, when the incident is opened, and stored. At most 130 characters.

    The time keeps episode 1 of a new store apart from episode 1 of a store that was lost: its alert may still be open
    at the pager, and what is added to an open alert wakes nobody.
    """
    place = region if len(region) <= 64 else f"{region[:47]}-{_digest(region)}"
    return f"monitor:{place}:{_digest(target)}:{episode}:{opened_at:%Y%m%dT%H%M%SZ}"


def alert_key(incident: Incident) -> str:
    """The dedup key of the alert of the incident's present level."""
    return incident.dedup_key if incident.level is Level.PAGE else f"{incident.dedup_key}:ticket"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
