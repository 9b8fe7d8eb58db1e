"""Between the frozen types of the program and the rows of the store."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import RowMapping

from alerts.incident import Firing, Incident, IncidentState, RunbookPin, Step, StepState, TimelineEntry
from alerts.pagerduty.event import PageEvent
from alerts.verdict import Level
from probes.result import GradeFacts

_FIRING = TypeAdapter(tuple[Firing, ...])
_PAIRS = TypeAdapter(tuple[tuple[str, str], ...])
_EVENT = TypeAdapter(PageEvent)
_GRADE = TypeAdapter(GradeFacts)

# Set when the incident is opened, and never again.
FIXED = ("id", "target", "region", "episode", "dedup_key", "opened_at")
# Columns that hold the field of the same name as it is.
_PLAIN = ("severity", "title", "route", "acknowledged_at", "acknowledged_by", "resolved_at", "resolved_by")


def incident_row(incident: Incident) -> dict[str, Any]:
    runbook = incident.runbook
    return {
        **{name: getattr(incident, name) for name in (*FIXED, *_PLAIN)},
        "state": incident.state.value,
        "level": incident.level.value,
        "firing": _FIRING.dump_python(incident.firing, mode="json"),
        "evidence": _PAIRS.dump_python(incident.evidence, mode="json"),
        "runbook_path": runbook and runbook.path,
        "runbook_title": runbook and runbook.title,
        "runbook_sha256": runbook and runbook.sha256,
    }


def incident_of(row: RowMapping, steps: Iterable[Step]) -> Incident:
    pin = None
    if row["runbook_sha256"] is not None:
        pin = RunbookPin(path=row["runbook_path"], title=row["runbook_title"], sha256=row["runbook_sha256"])
    return Incident(
        **{name: row[name] for name in (*FIXED, *_PLAIN)},
        state=IncidentState(row["state"]),
        level=Level(row["level"]),
        firing=_FIRING.validate_python(row["firing"]),
        evidence=_PAIRS.validate_python(row["evidence"]),
        runbook=pin,
        steps=tuple(steps),
    )


def step_row(incident_id: int, position: int, step: Step) -> dict[str, Any]:
    return {
        "incident_id": incident_id,
        "step_id": step.id,
        "position": position,
        "title": step.title,
        "state": step.state.value,
        "actor": step.actor,
        "changed_at": step.changed_at,
        "note": step.note,
    }


def step_of(row: RowMapping) -> Step:
    return Step(
        id=row["step_id"],
        title=row["title"],
        state=StepState(row["state"]),
        actor=row["actor"],
        changed_at=row["changed_at"],
        note=row["note"],
    )


def entry_row(incident_id: int, entry: TimelineEntry) -> dict[str, Any]:
    return {"incident_id": incident_id} | {name: getattr(entry, name) for name in TimelineEntry.__slots__}


def entry_of(row: RowMapping) -> TimelineEntry:
    return TimelineEntry(**{name: row[name] for name in TimelineEntry.__slots__})


def event_json(event: PageEvent) -> Any:
    return _EVENT.dump_python(event, mode="json")


def event_of(value: Any) -> PageEvent:
    return _EVENT.validate_python(value)


def grade_json(facts: GradeFacts) -> Any:
    return _GRADE.dump_python(facts, mode="json")


def grade_of(value: Any) -> GradeFacts:
    return _GRADE.validate_python(value)
