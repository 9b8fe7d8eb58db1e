"""The incident as a pure state machine: (incident, event, time) -> (incident, timeline entries, pages)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from alerts.incident import (
    Acknowledged,
    Event,
    Firing,
    Incident,
    IncidentState,
    InvalidTransition,
    Noted,
    Page,
    PageAction,
    ResolvedByHand,
    RunbookPin,
    SignalReceived,
    Step,
    StepChanged,
    StepState,
    TimelineEntry,
    Transition,
    UnknownStep,
    alert_key,
    dedup_key,
)
from alerts.text import clean, one_line
from alerts.verdict import Level, Signal, Verdict
from probes.quantity import format_duration
from probes.target import Severity, Target

TITLE_CHARACTERS = 1024  # what PagerDuty takes as a summary
EVIDENCE_ENTRIES = 50


def open_incident(
    *,
    id: int,
    region: str,
    target: Target,
    episode: int,
    signal: Signal,
    at: datetime,
    at_seconds: float,
    runbook: RunbookPin | None = None,
    steps: Sequence[Step] = (),
) -> Transition:
    """Open an incident for what fired. `at` and `at_seconds` are one moment on the wall and the monotonic clock.

    Raises ValueError when nothing fired.
    """
    if not signal.fired:
        raise ValueError("an incident is opened for rules that fire, and none does")
    worst = _worst(signal.fired)
    draft = _Draft(
        Incident(
            id=id,
            target=target.name,
            region=region,
            episode=episode,
            dedup_key=dedup_key(region, target.name, episode, at),
            state=IncidentState.TRIGGERED,
            level=worst.level,
            severity=_severity(worst.level, target),
            title=_title(worst, at, at_seconds),
            route=target.route if worst.level is Level.PAGE else target.ticket_route,
            opened_at=at,
            runbook=runbook,
            steps=tuple(steps),
        ),
        at,
    )
    draft.log("opened", draft.incident.title)
    draft.fire(signal.fired, at_seconds)
    draft.trigger()
    draft.end(signal, at_seconds)
    return draft.transition()


def apply(incident: Incident, event: Event, at: datetime) -> Transition:
    """What `event` makes of the incident.

    The wall clock may have stepped back since: no entry is then dated before what the incident already knows.
    On a resolved incident only notes and steps are taken: clearing up and writing down go on after the trouble.
    Raises InvalidTransition.
    """
    draft = _Draft(incident, at)
    match event:
        case Noted(actor, source, text):
            draft.log("noted", clean(text), actor, source)
        case StepChanged():
            draft.change_step(event)
        case SignalReceived(signal, target, at_seconds):
            draft.must_be_open()
            if target is not None:
                draft.grow(signal.fired, target, at_seconds)
            draft.fire(signal.fired, at_seconds)
            if incident.level is not draft.incident.level:
                draft.trigger()
            draft.end(signal, at_seconds)
        case Acknowledged(actor, source):
            draft.must_be_open()
            draft.acknowledge(actor, source)
        case ResolvedByHand(actor, source, reason):
            draft.must_be_open()
            draft.resolve(f"by hand: {clean(reason)}" if reason else "by hand", actor, source)
    return draft.transition()


class _Draft:
    """A transition in the making."""

    def __init__(self, incident: Incident, at: datetime) -> None:
        self.incident = incident
        self.at = max(at, _last_known(incident))
        self.entries: list[TimelineEntry] = []
        self.pages: list[Page] = []
        self.left: tuple[Verdict, ...] = ()

    def transition(self) -> Transition:
        return Transition(incident=self.incident, entries=tuple(self.entries), pages=tuple(self.pages), left=self.left)

    def log(self, kind: str, text: str, actor: str = "monitor", source: str = "daemon") -> None:
        self.entries.append(TimelineEntry(at=self.at, actor=actor, source=source, kind=kind, text=text))

    def tell(self, action: PageAction) -> None:
        if self.incident.route is not None:
            self.pages.append(Page(action=action, route=self.incident.route, dedup_key=alert_key(self.incident)))

    def trigger(self) -> None:
        self.tell(PageAction.TRIGGER)
        if self.incident.route is not None:
            self.log("paged", f"{self.incident.level}, {self.incident.severity}, through route {self.incident.route}")

    def must_be_open(self) -> None:
        now = self.incident
        if now.state is IncidentState.RESOLVED:
            raise InvalidTransition(
                f"incident {now.id} was {_who_when('resolved', now.resolved_by, now.resolved_at)}; "
                "only notes and steps can be added to it"
            )

    def fire(self, verdicts: Sequence[Verdict], at_seconds: float) -> None:
        """What fires already, at the same level, is passed over: the same signal twice changes nothing."""
        for verdict in verdicts:
            firing = {one.rule: one for one in self.incident.firing}
            if verdict.rule in firing and firing[verdict.rule].level is verdict.level:
                continue
            summary = one_line(verdict.summary)
            firing[verdict.rule] = Firing(
                rule=verdict.rule,
                level=verdict.level,
                summary=summary,
                since=_since(verdict, self.at, at_seconds),
            )
            self.incident = replace(
                self.incident,
                firing=tuple(firing.values()),
                evidence=_with_evidence(self.incident.evidence, verdict),
            )
            self.log("fired", f"{verdict.rule} ({verdict.level}): {summary}")

    def grow(self, verdicts: Sequence[Verdict], target: Target, at_seconds: float) -> None:
        """A ticket becomes a page, which wants an acknowledgement of its own; its alert as a ticket is closed."""
        if self.incident.level is Level.PAGE or not any(verdict.level is Level.PAGE for verdict in verdicts):
            return
        self.tell(PageAction.RESOLVE)
        self.incident = replace(
            self.incident,
            state=IncidentState.TRIGGERED,
            level=Level.PAGE,
            severity=_severity(Level.PAGE, target),
            title=_title(_worst(verdicts), self.at, at_seconds),
            route=target.route,
            acknowledged_at=None,
            acknowledged_by=None,
        )

    def end(self, signal: Signal, at_seconds: float) -> None:
        """A page ends with the last rule that pages: a ticket may fire for weeks, and would mute the next outage."""
        for verdict in signal.recovered:
            if verdict.rule in {one.rule for one in self.incident.firing}:
                left = tuple(one for one in self.incident.firing if one.rule != verdict.rule)
                self.incident = replace(self.incident, firing=left)
                self.log("recovered", f"{verdict.rule}: {one_line(verdict.summary)}")
        firing = self.incident.firing
        if signal.all_clear:
            self.resolve("no rule fires any more", "monitor", "daemon")
        elif self.incident.level is Level.PAGE and firing and all(one.level is Level.TICKET for one in firing):
            self.left = tuple(_verdict(one, self.incident, self.at, at_seconds) for one in firing)
            rules = ", ".join(one.rule for one in firing)
            self.resolve(f"no rule pages any more; a ticket of its own goes on for {rules}", "monitor", "daemon")

    def acknowledge(self, actor: str, source: str) -> None:
        now = self.incident
        if now.state is IncidentState.ACKNOWLEDGED:
            done = _who_when("acknowledged", now.acknowledged_by, now.acknowledged_at)
            raise InvalidTransition(f"incident {now.id} was already {done}")
        self.incident = replace(now, state=IncidentState.ACKNOWLEDGED, acknowledged_at=self.at, acknowledged_by=actor)
        self.log("acknowledged", f"{now.level} acknowledged", actor, source)
        self.tell(PageAction.ACKNOWLEDGE)

    def resolve(self, why: str, actor: str, source: str) -> None:
        self.incident = replace(
            self.incident, state=IncidentState.RESOLVED, resolved_at=self.at, resolved_by=actor, firing=()
        )
        lasted = timedelta(seconds=round((self.at - self.incident.opened_at).total_seconds()))
        self.log("resolved", f"{why}; open for {format_duration(lasted)}", actor, source)
        self.tell(PageAction.RESOLVE)

    def change_step(self, event: StepChanged) -> None:
        step = next((step for step in self.incident.steps if step.id == event.step_id), None)
        if step is None:
            known = ", ".join(step.id for step in self.incident.steps) or "none: it has no runbook with steps"
            raise UnknownStep(
                f"incident {self.incident.id} has no step {one_line(event.step_id)!r}; its steps: {known}"
            )
        if step.state is event.state:
            done = _who_when(step.state, step.actor, step.changed_at)
            raise InvalidTransition(f"step {step.id} is {done} already; add what you know as a note")
        note = clean(event.note).strip() if event.note else ""
        if event.state in {StepState.FAILED, StepState.SKIPPED} and not note:
            raise InvalidTransition(f"step {step.id}: say why it is {event.state}")
        changed = replace(step, state=event.state, actor=event.actor, changed_at=self.at, note=note or None)
        steps = tuple(changed if step.id == changed.id else step for step in self.incident.steps)
        self.incident = replace(self.incident, steps=steps)
        text = f"{step.id}: {step.state} -> {event.state}"
        self.log("step", f"{text}: {note}" if note else text, event.actor, event.source)


def _worst(verdicts: Sequence[Verdict]) -> Verdict:
    return next((verdict for verdict in verdicts if verdict.level is Level.PAGE), verdicts[0])


def _severity(level: Level, target: Target) -> Severity:
    """A ticket is never more than a warning, and never more than the page would be."""
    return target.severity if level is Level.PAGE or target.severity == "info" else "warning"


def _since(verdict: Verdict, at: datetime, at_seconds: float) -> datetime:
    return at - timedelta(seconds=max(0.0, at_seconds - verdict.since_seconds))


def _verdict(firing: Firing, incident: Incident, at: datetime, at_seconds: float) -> Verdict:
    """What the rule said, as far as the incident knows it: the inverse of `_Draft.fire`."""
    prefix = f"{firing.rule}: "
    return Verdict(
        rule=firing.rule,
        target=incident.target,
        firing=True,
        level=firing.level,
        since_seconds=at_seconds - (at - firing.since).total_seconds(),
        summary=firing.summary,
        evidence=tuple(
            (name.removeprefix(prefix), value) for name, value in incident.evidence if name.startswith(prefix)
        ),
    )


def _title(verdict: Verdict, at: datetime, at_seconds: float) -> str:
    since = _since(verdict, at, at_seconds)
    when = f"{since:%H:%M:%S}" if since.date() == at.date() else f"{since:%Y-%m-%d %H:%M}"
    return one_line(f"{verdict.target}: {verdict.rule} - {verdict.summary}, since {when} UTC", TITLE_CHARACTERS)


def _with_evidence(evidence: tuple[tuple[str, str], ...], verdict: Verdict) -> tuple[tuple[str, str], ...]:
    """Each fact stands under its rule's name; what a rule says anew takes the place of what it said before."""
    facts = dict(evidence)
    facts.update((f"{verdict.rule}: {one_line(name, 100)}", clean(value, 2000)) for name, value in verdict.evidence)
    return tuple(facts.items())[:EVIDENCE_ENTRIES]


def _last_known(incident: Incident) -> datetime:
    stamps = [incident.opened_at, incident.acknowledged_at, incident.resolved_at]
    stamps += [step.changed_at for step in incident.steps]
    return max(stamp for stamp in stamps if stamp is not None)


def _who_when(done: str, actor: str | None, at: datetime | None) -> str:
    words = [done]
    words += [f"by {actor}"] if actor else []
    words += [f"at {at:%Y-%m-%d %H:%M:%S} UTC"] if at else []
    return " ".join(words)
