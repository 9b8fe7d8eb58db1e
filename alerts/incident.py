"""The incident as a pure state machine: (incident, event, time) -> (incident, timeline entries, pages)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from alerts.verdict import Level
from probes.target import Severity


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
    route: str | None  # None: nobody was told through a pager
    opened_at: datetime
    acknowledged_at: datetime | None = None
    acknowledged_by: str | None = None
    resolved_at: datetime | None = None
    resolved_by: str | None = None
    firing: tuple[Firing, ...] = ()
    evidence: tuple[tuple[str, str], ...] = ()
    runbook: RunbookPin | None = None
    steps: tuple[Step, ...] = ()
