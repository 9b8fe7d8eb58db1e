"""Incidents as tables for people and as JSON for programs. Text that is stored may be a server's: tables clean it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from alerts.incident import Incident, IncidentState, StepState, TimelineEntry
from alerts.runbook import RunbookError, RunbookStep, parse
from alerts.text import clean, one_line
from monitor.store.outbox import OutboxRow
from probes.quantity import format_duration

_STYLES = {
    "triggered": "bold red",
    "acknowledged": "yellow",
    "resolved": "green",
    "failed": "bold red",
    "doing": "yellow",
    "done": "green",
    "skipped": "dim",
    "parked": "bold red",
    "pending": "yellow",
    "sent": "green",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentRecord:
    """One incident with all that is kept of it."""

    incident: Incident
    timeline: Sequence[TimelineEntry]
    pages: Sequence[OutboxRow]
    runbook_text: str | None


def table(incidents: Iterable[Incident]) -> Table:
    rows = _table("ID", "STATE", "LEVEL", "TITLE", "OPENED (UTC)")
    for one in incidents:
        rows.add_row(
            _cell(f"#{one.id}"),
            _cell(one.state, f"by {one.acknowledged_by}" if one.state is IncidentState.ACKNOWLEDGED else ""),
            _cell(one.level),
            _cell(one.title),
            _cell(_time(one.opened_at)),
        )
    return rows


def show(console: Console, record: IncidentRecord) -> None:
    incident = record.incident
    console.print(Text.assemble((f"#{incident.id} ", "bold"), one_line(incident.title, 2000)))
    for name, value in _facts(incident):
        console.print(Text.assemble((f"  {name:<14}", "dim"), _cell(value)))
    _section(
        console,
        "Firing now",
        ("RULE", "LEVEL", "SINCE (UTC)", "WHAT"),
        ((one.rule, one.level, _time(one.since), one.summary) for one in incident.firing),
    )
    _section(console, "Evidence", ("FACT", "VALUE"), incident.evidence)
    _section(
        console,
        "Runbook steps",
        ("STEP", "STATE", "TITLE", "WHO", "WHEN (UTC)", "EVIDENCE OR REASON"),
        (
            (step.id, step.state, step.title, step.actor or "", _time(step.changed_at), step.note or "")
            for step in incident.steps
        ),
    )
    step = _next_step(record)
    if step is not None:
        console.print()
        console.print(Text.assemble(("Next step: ", "bold"), one_line(f"{step.id} - {step.title}")))
        for line in _instructions(step):
            console.print(Text(f"  {line}"))
    _section(
        console,
        "Pages",
        ("EVENT", "ROUTE", "STATE", "WHEN (UTC)", "TRIES", "NOTE"),
        (
            (
                row.event.action,
                row.event.route,
                row.state,
                _time(row.finished_at or row.created_at),
                str(row.attempts),
                row.note or "",
            )
            for row in record.pages
        ),
    )
    _section(
        console,
        "Timeline",
        ("WHEN (UTC)", "WHO", "WHAT", ""),
        (
            (
                _time(entry.at),
                entry.actor if entry.source == "daemon" else f"{entry.actor} ({entry.source})",
                entry.kind,
                entry.text,
            )
            for entry in record.timeline
        ),
    )


def _facts(incident: Incident) -> Iterable[tuple[str, str]]:
    yield "state", incident.state
    yield "level", f"{incident.level}, {incident.severity}"
    yield "target", f"{incident.target} (seen from {incident.region})"
    yield "opened", f"{_time(incident.opened_at)} UTC"
    if incident.acknowledged_at:
        yield "acknowledged", f"{_time(incident.acknowledged_at)} UTC by {incident.acknowledged_by}"
    if incident.resolved_at:
        yield "resolved", f"{_time(incident.resolved_at)} UTC by {incident.resolved_by}"
    yield "paged through", incident.route or "nobody was paged"
    yield "dedup key", incident.dedup_key
    if incident.runbook:
        yield "runbook", f"{incident.runbook.title} ({incident.runbook.path}, sha256 {incident.runbook.sha256[:12]})"


def _next_step(record: IncidentRecord) -> RunbookStep | None:
    """The first step that is neither done nor given up, as the pinned runbook tells it."""
    incident = record.incident
    if incident.runbook is None or record.runbook_text is None or incident.state is IncidentState.RESOLVED:
        return None
    ahead = next((step.id for step in incident.steps if step.state in (StepState.DOING, StepState.TODO)), None)
    try:
        runbook = parse(record.runbook_text, incident.runbook.path)
    except RunbookError:  # it was pinned by another version, which took what this one does not
        return None
    return next((step for step in runbook.steps if step.id == ahead), None)


def _instructions(step: RunbookStep) -> Iterable[str]:
    facts = {
        "within": format_duration(step.limit) if step.limit else None,
        "by": step.role,
        "approved by": step.approve,
        "after": ", ".join(step.needs),
    }
    told = ", ".join(f"{name} {value}" for name, value in facts.items() if value)
    if told:
        yield one_line(told)
    for command in step.commands:
        yield from (f"$ {line}" for line in clean(command.text, 10_000).splitlines())
    if step.expect:
        yield one_line(f"Expect: {step.expect}")


def runbook_text(record: IncidentRecord) -> str:
    if record.runbook_text is None:
        return f"incident {record.incident.id} has no runbook"
    return clean(record.runbook_text, len(record.runbook_text) + 1).rstrip()


def summary(incident: Incident) -> dict[str, Any]:
    """All of the incident's own fields. Stable: programs read it."""
    row = asdict(incident)
    row["firing"] = [{**one, "since": _iso(one["since"])} for one in row["firing"]]
    row["steps"] = [{**one, "changed_at": _iso(one["changed_at"])} for one in row["steps"]]
    row["evidence"] = dict(incident.evidence)
    for name in ("opened_at", "acknowledged_at", "resolved_at"):
        row[name] = _iso(row[name])
    return row


def document(record: IncidentRecord) -> dict[str, Any]:
    """`summary` with timeline and pages."""
    return {
        **summary(record.incident),
        "timeline": [{**asdict(entry), "at": _iso(entry.at)} for entry in record.timeline],
        "pages": [
            {
                "action": row.event.action,
                "route": row.event.route,
                "dedup_key": row.event.dedup_key,
                "state": row.state,
                "attempts": row.attempts,
                "created_at": _iso(row.created_at),
                "finished_at": _iso(row.finished_at),
                "note": row.note,
            }
            for row in record.pages
        ],
    }


def _section(console: Console, title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    filled = _table(*columns)
    for row in rows:
        filled.add_row(*(_cell(value) for value in row))
    if filled.row_count:
        console.print()
        console.print(Text(title, style="bold"))
        console.print(filled)


def _table(*columns: str) -> Table:
    rows = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for column in columns:
        rows.add_column(
            column, overflow="fold", no_wrap=column in ("ID", "STATE", "LEVEL", "WHEN (UTC)", "OPENED (UTC)")
        )
    return rows


def _cell(value: str, more: str = "") -> Text:
    return Text(clean(f"{value} {more}".rstrip()), style=_STYLES.get(value, ""))


def _time(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}" if at else ""


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
