from __future__ import annotations

from datetime import timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from alerts.incident import (
    Event,
    IncidentState,
    InvalidTransition,
    Noted,
    Page,
    PageAction,
    ResolvedByHand,
    SignalReceived,
    StepChanged,
    StepState,
    TimelineEntry,
    Transition,
    alert_key,
)
from alerts.lifecycle import apply
from alerts.verdict import Level, Signal
from tests.support.episodes import ACK, ACKNOWLEDGE, BOTH, NOON, RESOLVE, SECONDS, TRIGGER, kinds, opened, verdict


class AnyLife(RuleBasedStateMachine):
    """Whatever happens to an incident, in whatever order and at whatever time of the clock."""

    @initialize(
        level=st.sampled_from(list(Level)),
        ticket_route=st.sampled_from([None, "queue", "people"]),
        at=st.integers(-1000, 1000),
    )
    def begin(self, level: Level, ticket_route: str | None, at: int) -> None:
        self.target = BOTH.model_copy(update={"ticket_route": ticket_route})
        self.pages: list[Page] = []
        self.timeline: list[TimelineEntry] = []
        self.take(opened(verdict("outage", level), target=self.target, at=NOON + timedelta(seconds=at)))

    def take(self, transition: Transition) -> None:
        self.incident = transition.incident
        self.pages += transition.pages
        self.timeline += transition.entries

    def do(self, event: Event, at: int) -> None:
        before = self.incident
        try:
            self.take(apply(before, event, NOON + timedelta(seconds=at)))
        except InvalidTransition:
            assert self.incident is before
        else:
            ended = before.state is IncidentState.RESOLVED
            assert not ended or isinstance(event, Noted | StepChanged)

    @rule(
        fired=st.lists(st.tuples(st.sampled_from(["outage", "burn_rate"]), st.sampled_from(list(Level))), max_size=3),
        recovered=st.lists(st.sampled_from(["outage", "burn_rate", "certificate"]), max_size=2),
        all_clear=st.booleans(),
        gone=st.booleans(),
        at=st.integers(-1000, 1000),
    )
    def signal(
        self, fired: list[tuple[str, Level]], recovered: list[str], all_clear: bool, gone: bool, at: int
    ) -> None:
        signal = Signal(
            target="api",
            fired=tuple(verdict(name, level) for name, level in fired),
            recovered=tuple(verdict(name, firing=False) for name in recovered),
            all_clear=all_clear,
        )
        self.do(SignalReceived(signal, None if gone else self.target, SECONDS + at), at)

    @rule(
        event=st.sampled_from([ACK, Noted("ann", "cli", "x"), ResolvedByHand("bob", "cli")]),
        at=st.integers(-1000, 1000),
    )
    def person(self, event: Event, at: int) -> None:
        self.do(event, at)

    @rule(state=st.sampled_from(list(StepState)), step=st.sampled_from(["look", "no"]), at=st.integers(-1000, 1000))
    def steps(self, state: StepState, step: str, at: int) -> None:
        self.do(StepChanged("ann", "cli", step, state, "why"), at)

    @invariant()
    def each_alert_is_triggered_once_first_and_resolved_once_last(self) -> None:
        by_alert: dict[tuple[str, str], list[PageAction]] = {}
        for page in self.pages:
            by_alert.setdefault((page.route, page.dedup_key), []).append(page.action)
        for actions in by_alert.values():
            assert actions[0] is TRIGGER
            assert actions.count(TRIGGER) == 1
            assert actions.count(ACKNOWLEDGE) <= 1
            assert RESOLVE not in actions[:-1]
        assert len({key for _, key in by_alert}) == len(by_alert)

    @invariant()
    def exactly_the_alert_of_an_open_incident_is_open(self) -> None:
        triggered = {page.dedup_key for page in self.pages if page.action is TRIGGER}
        resolved = {page.dedup_key for page in self.pages if page.action is RESOLVE}
        open_now = self.incident.state is not IncidentState.RESOLVED and self.incident.route is not None
        assert triggered - resolved == ({alert_key(self.incident)} if open_now else set())

    @invariant()
    def the_timeline_and_the_incident_agree(self) -> None:
        incident = self.incident
        resolved = incident.state is IncidentState.RESOLVED
        assert kinds(self.timeline).count("opened") == 1
        assert kinds(self.timeline).count("resolved") == int(resolved)
        assert resolved == (incident.resolved_at is not None) == (incident.resolved_by is not None)
        assert all(entry.at >= incident.opened_at for entry in self.timeline)
        assert len({one.rule for one in incident.firing}) == len(incident.firing)
        assert incident.level is Level.PAGE or all(page.dedup_key.endswith(":ticket") for page in self.pages)


TestAnyLife = AnyLife.TestCase
TestAnyLife.settings = settings(max_examples=80, stateful_step_count=20, deadline=None)
