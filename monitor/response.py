"""What happens to incidents: each change is one transaction of incident, timeline, outbox and audit trail."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path

from alerts.incident import (
    Acknowledged,
    Event,
    Incident,
    InvalidTransition,
    Noted,
    Page,
    PageAction,
    ResolvedByHand,
    SignalReceived,
    StepChanged,
    StepState,
    Transition,
    UnknownStep,
)
from alerts.lifecycle import apply, open_incident
from alerts.pagerduty.event import Link, PageEvent
from alerts.runbook import Runbook, RunbookError, read
from alerts.text import clean, one_line
from alerts.verdict import Level, Signal, Verdict
from monitor.clock import Clock, SystemClock
from monitor.errors import Conflict, NotFound, UserError
from monitor.links import Links
from monitor.redact import redact
from monitor.store import Store, WriteTx
from probes.target import Target

NOTE_CHARACTERS = 4000
_LIST_THEM = "`monitor incidents list --all` shows those that there are"


def read_runbooks(targets: Iterable[Target], base: Path) -> dict[Path, Runbook]:
    """The runbook behind each path that targets name, called by its path from the folder `base`.

    Raises UserError with every problem of every runbook.
    """
    runbooks: dict[Path, Runbook] = {}
    problems: list[str] = []
    for path in dict.fromkeys(target.runbook for target in targets if target.runbook is not None):
        try:
            runbooks[path] = read(path, _seen_from(base, path))
        except RunbookError as error:
            problems += error.problems
    if problems:
        raise UserError(*problems)
    return runbooks


def _seen_from(base: Path, path: Path) -> str:
    inside = path.is_relative_to(base)
    return path.relative_to(base).as_posix() if inside else path.name


async def on_signal(
    store: Store,
    signal: Signal,
    target: Target | None,
    *,
    region: str,
    links: Links,
    runbooks: Mapping[Path, Runbook],
    clock: Clock,
) -> Incident | None:
    """Open or update the incident of the signal's target, which is None when it is no longer in the settings.

    When all that paged has ended and tickets still fire, the incident is resolved and another one opened for them,
    which is returned. The same signal twice changes nothing. None when there is no open incident and nothing to open
    one for: an end that comes after a person resolved the incident, say. Raises StoreUnavailable.
    """
    signal = _redacted(signal)
    runbook = runbooks.get(target.runbook) if target is not None and target.runbook else None
    async with store.write() as tx:
        at, at_seconds = clock.now(), clock.monotonic()
        opened = partial(_opened, tx, region=region, runbook=runbook, at=at, at_seconds=at_seconds)
        incident = await tx.open_incident(signal.target, region)
        if incident is not None:
            transition = apply(incident, SignalReceived(signal, target, at_seconds), at)
        elif signal.fired and target is not None:
            transition = await opened(signal, target)
        else:
            return None
        if transition.entries:
            await _write(tx, transition, at, links)
        if transition.left and target is not None:
            transition = await opened(Signal(target=target.name, fired=transition.left), target)
            await _write(tx, transition, at, links)
    return transition.incident


async def _opened(
    tx: WriteTx,
    signal: Signal,
    target: Target,
    *,
    region: str,
    runbook: Runbook | None,
    at: datetime,
    at_seconds: float,
) -> Transition:
    number, episode = await tx.allocate(target.name, region)
    if runbook is not None:
        await tx.pin_runbook(runbook.sha256, runbook.path, runbook.text)
    return open_incident(
        id=number,
        region=region,
        target=target,
        episode=episode,
        signal=signal,
        at=at,
        at_seconds=at_seconds,
        runbook=runbook.pin if runbook else None,
        steps=runbook.todo() if runbook else (),
    )


async def acknowledge(
    store: Store, incident_id: int, actor: str, source: str, *, clock: Clock | None = None
) -> Incident:
    """Raises NotFound, or Conflict when it is acknowledged or resolved already."""
    return await _act(store, incident_id, Acknowledged(_name(actor), source), clock)


async def note(
    store: Store, incident_id: int, actor: str, source: str, text: str, *, clock: Clock | None = None
) -> Incident:
    """Raises NotFound, or UserError for a note that is empty or too long."""
    if not text.strip():
        raise UserError("the note is empty; say what you saw, did or decided")
    return await _act(store, incident_id, Noted(_name(actor), source, _short_enough(text)), clock)


async def step(
    store: Store,
    incident_id: int,
    actor: str,
    source: str,
    *,
    step_id: str,
    state: StepState,
    note: str | None = None,
    clock: Clock | None = None,
) -> Incident:
    """Raises NotFound for an unknown incident or step, Conflict when the step is in that state already."""
    text = _short_enough(note) if note else None
    if state in {StepState.FAILED, StepState.SKIPPED} and not (text and text.strip()):
        raise UserError(f"step {one_line(step_id, 60)}: say why it is {state}, with --reason TEXT")
    return await _act(store, incident_id, StepChanged(_name(actor), source, step_id, state, text), clock)


async def resolve(
    store: Store, incident_id: int, actor: str, source: str, reason: str | None = None, *, clock: Clock | None = None
) -> Incident:
    """Raises NotFound, or Conflict when it is resolved already."""
    text = _short_enough(reason) if reason else None
    return await _act(store, incident_id, ResolvedByHand(_name(actor), source, text), clock)


async def _act(store: Store, incident_id: int, event: Event, clock: Clock | None) -> Incident:
    async with store.write() as tx:
        at = (clock or SystemClock()).now()
        incident = await tx.incident(incident_id)
        if incident is None:
            raise NotFound(f"there is no incident {incident_id}; {_LIST_THEM}")
        try:
            transition = apply(incident, event, at)
        except UnknownStep as error:
            raise NotFound(str(error)) from None
        except InvalidTransition as error:
            raise Conflict(str(error)) from None
        await _write(tx, transition, at, Links())
    return transition.incident


async def _write(tx: WriteTx, transition: Transition, at: datetime, links: Links) -> None:
    incident, entries = transition.incident, transition.entries
    await tx.save(incident, entries)
    for page in transition.pages:
        await tx.enqueue(_event(page, incident, at, links.of(incident), links.incident(incident)), incident.id, at)
    kinds = [entry.kind for entry in entries]
    action = next((kind for kind in ("opened", "resolved") if kind in kinds), kinds[0])
    details = {
        "target": incident.target,
        "level": str(incident.level),
        "state": str(incident.state),
        "changes": clean("\n".join(f"{entry.kind}: {entry.text}" for entry in entries)),
    }
    if incident.runbook is not None:
        details["runbook_sha256"] = incident.runbook.sha256
    who = entries[-1] if action == "resolved" else entries[0]
    await tx.audit(at, who.actor, who.source, f"incident {action}", f"incident {incident.id}", details)


def _event(page: Page, incident: Incident, at: datetime, links: tuple[Link, ...], url: str | None) -> PageEvent:
    event = PageEvent(action=page.action, route=page.route, dedup_key=page.dedup_key, severity=incident.severity)
    if page.action is not PageAction.TRIGGER:
        return event
    cause = next((one for one in incident.firing if one.level is Level.PAGE), None) or next(iter(incident.firing), None)
    return replace(
        event,
        summary=incident.title,
        source=incident.target,
        timestamp=at,
        component=incident.target,
        group=incident.region,
        class_=cause.rule if cause else None,
        details=incident.evidence,
        links=links,
        client_url=url,
    )


def _redacted(signal: Signal) -> Signal:
    """What a server answered may repeat the secrets that it was sent."""
    return replace(
        signal,
        fired=tuple(_redacted_verdict(verdict) for verdict in signal.fired),
        recovered=tuple(_redacted_verdict(verdict) for verdict in signal.recovered),
    )


def _redacted_verdict(verdict: Verdict) -> Verdict:
    evidence = tuple((name, redact(value)) for name, value in verdict.evidence)
    return replace(verdict, summary=redact(verdict.summary), evidence=evidence)


def _name(actor: str) -> str:
    name = one_line(actor, 100)
    if not name:
        raise UserError("nobody is named as the one who acts; use --as NAME or set MONITOR_ACTOR")
    return name


def _short_enough(text: str) -> str:
    if len(text) > NOTE_CHARACTERS:
        raise UserError(f"the text has {len(text)} characters; {NOTE_CHARACTERS} are the most, so add it in parts")
    return text.strip()
