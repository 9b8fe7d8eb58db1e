from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.incident import (
    Event,
    IncidentState,
    InvalidTransition,
    Noted,
    PageAction,
    ResolvedByHand,
    RunbookPin,
    StepChanged,
    StepState,
    Transition,
    UnknownStep,
    dedup_key,
)
from alerts.lifecycle import apply, open_incident
from alerts.verdict import Level, Signal
from probes.target import Target
from tests.support.episodes import (
    ACK,
    ACKNOWLEDGE,
    BOTH,
    CLEAR,
    NOON,
    PAGE,
    PAGED_ONLY,
    RESOLVE,
    SECONDS,
    STEPS,
    TICKET,
    TRIGGER,
    after,
    kinds,
    opened,
    received,
    verdict,
)


def told(transition: Transition) -> list[tuple[PageAction, str, str]]:
    return [(page.action, page.route, page.dedup_key) for page in transition.pages]


KEY = "monitor:eu:14c2529eb4498c5d:3:20260301T120000Z"


def test_a_page_is_triggered_through_the_targets_route() -> None:
    pin = RunbookPin(path="r.md", title="R", sha256="0" * 64)
    transition = opened(target=BOTH, runbook=pin)
    incident = transition.incident
    assert told(transition) == [(TRIGGER, "people", KEY)]
    assert (incident.state, incident.level, incident.severity) == (IncidentState.TRIGGERED, Level.PAGE, "error")
    assert (incident.id, incident.episode, incident.route, incident.steps, incident.runbook) == (
        12,
        3,
        "people",
        STEPS,
        pin,
    )
    assert incident.title == "api: outage - 3 failed in a row (timeout), since 11:59:11 UTC"
    assert incident.evidence == (("outage: expected", "status 200"), ("outage: seen", "timeout"))
    assert incident.firing[0].since == NOON - timedelta(seconds=49)
    assert kinds(transition.entries) == ["opened", "fired", "paged"]
    assert {(entry.actor, entry.source, entry.at) for entry in transition.entries} == {("monitor", "daemon", NOON)}


@pytest.mark.parametrize(
    ("target", "severity", "pages"),
    [
        (PAGED_ONLY, "warning", []),
        (BOTH, "warning", [(TRIGGER, "queue", KEY + ":ticket")]),
        (BOTH.model_copy(update={"severity": "info"}), "info", [(TRIGGER, "queue", KEY + ":ticket")]),
    ],
)
def test_a_ticket_tells_a_pager_only_where_tickets_have_a_route(
    target: Target, severity: str, pages: list[tuple[PageAction, str, str]]
) -> None:
    transition = opened(TICKET, target=target)
    assert told(transition) == pages
    assert (transition.incident.level, transition.incident.severity) == (Level.TICKET, severity)
    assert ("paged" in kinds(transition.entries)) == bool(pages)


def test_the_worst_of_what_fired_together_opens_the_incident() -> None:
    incident = opened(TICKET, PAGE).incident
    assert (incident.level, incident.title[:11]) == (Level.PAGE, "api: outage")
    assert [one.rule for one in incident.firing] == ["certificate", "outage"]


def test_nothing_that_fires_opens_no_incident() -> None:
    with pytest.raises(ValueError, match="none does"):
        open_incident(
            id=1, region="eu", target=BOTH, episode=1, signal=Signal(target="api"), at=NOON, at_seconds=SECONDS
        )


@pytest.mark.parametrize(
    ("ago", "title"),
    [(0, "since 12:00:00 UTC"), (86_400 * 3, "since 2026-02-26 12:00 UTC"), (-5, "since 12:00:00 UTC")],
)
def test_the_title_says_when_it_began(ago: float, title: str) -> None:
    assert opened(replace(PAGE, since_seconds=SECONDS - ago)).incident.title.endswith(title)


def test_another_rule_adds_evidence_and_pages_nobody_again() -> None:
    transition = after(opened(target=BOTH).incident, received(fired=(TICKET,)))
    assert transition.pages == ()
    assert kinds(transition.entries) == ["fired"]
    assert [one.rule for one in transition.incident.firing] == ["outage", "certificate"]
    assert transition.incident.evidence[-1] == ("certificate: ends", "in 20 days")
    assert transition.incident.level is Level.PAGE


def test_a_second_page_rule_pages_nobody_again() -> None:
    transition = after(opened(target=BOTH).incident, received(fired=(verdict("burn_rate"),)))
    assert (transition.pages, kinds(transition.entries)) == ((), ["fired"])


def test_the_same_signal_twice_changes_nothing() -> None:
    incident = opened(target=BOTH).incident
    transition = after(incident, received(fired=(PAGE,)))
    assert transition == Transition(incident=incident, entries=(), pages=())


def test_evidence_of_a_rule_is_renewed_and_bounded() -> None:
    incident = opened(TICKET, target=BOTH).incident
    many = tuple((f"fact {number}", "x" * 3000) for number in range(80))
    grown = after(
        incident, received(fired=(replace(TICKET, level=Level.PAGE, evidence=(("ends", "now"), *many)),))
    ).incident
    assert grown.evidence[0] == ("certificate: ends", "now")
    assert len(grown.evidence) == 50
    assert {len(value) for _, value in grown.evidence[1:]} == {2000}


def test_a_ticket_grows_to_a_page_on_the_page_route_and_its_alert_as_a_ticket_is_closed() -> None:
    ticket = opened(TICKET, target=BOTH).incident
    transition = after(ticket, ACK, received(fired=(PAGE,)))
    incident = transition.incident
    assert told(transition) == [(RESOLVE, "queue", KEY + ":ticket"), (TRIGGER, "people", KEY)]
    assert (incident.level, incident.severity, incident.route) == (Level.PAGE, "error", "people")
    assert (incident.state, incident.acknowledged_by, incident.acknowledged_at) == (IncidentState.TRIGGERED, None, None)
    assert incident.title.startswith("api: outage")
    assert kinds(transition.entries) == ["fired", "paged"]
    assert told(after(incident, ACK)) == [(ACKNOWLEDGE, "people", KEY)]
    assert told(after(incident, CLEAR)) == [(RESOLVE, "people", KEY)]


def test_a_rule_that_rises_from_ticket_to_page_counts_as_a_page() -> None:
    transition = after(opened(TICKET).incident, received(target=PAGED_ONLY, fired=(replace(TICKET, level=Level.PAGE),)))
    assert told(transition) == [(TRIGGER, "default", KEY)]
    assert [(one.rule, one.level) for one in transition.incident.firing] == [("certificate", Level.PAGE)]


def test_the_resolve_goes_where_the_trigger_went_whatever_the_settings_say_by_then() -> None:
    moved = BOTH.model_copy(update={"route": "elsewhere", "ticket_route": None})
    ticket = opened(TICKET, target=BOTH).incident
    page = opened(PAGE, target=BOTH).incident
    assert told(after(ticket, received(target=moved, all_clear=True))) == [(RESOLVE, "queue", KEY + ":ticket")]
    assert told(after(page, received(target=moved, fired=(TICKET,), all_clear=True))) == [(RESOLVE, "people", KEY)]


def test_a_target_that_is_gone_from_the_settings_can_only_end() -> None:
    ticket = opened(TICKET, target=BOTH).incident
    transition = after(ticket, received(target=None, fired=(PAGE,)))
    assert (transition.incident.level, transition.pages) == (Level.TICKET, ())
    assert after(ticket, received(target=None, all_clear=True)).incident.state is IncidentState.RESOLVED


def test_all_clear_resolves_and_tells_the_pager() -> None:
    transition = after(opened(target=BOTH).incident, CLEAR, at=NOON + timedelta(seconds=252))
    assert told(transition) == [(RESOLVE, "people", KEY)]
    assert (transition.incident.state, transition.incident.resolved_by) == (IncidentState.RESOLVED, "monitor")
    assert transition.incident.firing == ()
    assert kinds(transition.entries) == ["recovered", "resolved"]
    assert transition.entries[-1].text == "no rule fires any more; open for 4m12s"


def test_one_rule_of_two_recovers_and_the_incident_stays() -> None:
    both = opened(PAGE, replace(TICKET, level=Level.PAGE), target=BOTH).incident
    end = replace(PAGE, firing=False, summary="up again")
    transition = after(both, received(recovered=(end, replace(end, rule="unknown"))))
    assert (kinds(transition.entries), transition.pages) == (["recovered"], ())
    assert [one.rule for one in transition.incident.firing] == ["certificate"]
    assert transition.incident.state is IncidentState.TRIGGERED


def test_acknowledge_and_resolve_by_hand_tell_the_pager_who_did_it() -> None:
    acknowledged = after(opened(target=BOTH).incident, ACK)
    assert told(acknowledged) == [(ACKNOWLEDGE, "people", KEY)]
    assert (acknowledged.incident.state, acknowledged.incident.acknowledged_by) == (IncidentState.ACKNOWLEDGED, "ann")
    resolved = after(acknowledged.incident, ResolvedByHand("bob", "cli", "false alarm"))
    assert told(resolved) == [(RESOLVE, "people", KEY)]
    assert (resolved.incident.resolved_by, resolved.incident.acknowledged_by) == ("bob", "ann")
    assert resolved.incident.firing == ()
    (entry,) = resolved.entries
    assert (entry.actor, entry.source, entry.text) == ("bob", "cli", "by hand: false alarm; open for 0s")
    assert after(acknowledged.incident, ResolvedByHand("bob", "cli")).entries[0].text == "by hand; open for 0s"


def test_nobody_was_paged_so_nobody_hears_of_the_rest() -> None:
    ticket = opened(TICKET).incident
    assert after(ticket, ACK).pages == ()
    assert after(ticket, CLEAR).pages == ()


@pytest.mark.parametrize(
    ("before", "event", "text"),
    [
        ([ACK], ACK, "incident 12 was already acknowledged by ann at 2026-03-01 12:00:00 UTC"),
        ([CLEAR], ACK, "incident 12 was resolved by monitor at 2026-03-01 12:00:00 UTC; only notes and steps .*"),
        ([CLEAR], ResolvedByHand("bob", "cli"), "incident 12 was resolved by monitor at .*"),
        ([CLEAR], received(fired=(PAGE,)), "incident 12 was resolved by monitor at .*"),
        ([], StepChanged("ann", "cli", "look", StepState.FAILED), "step look: say why it is failed"),
        ([], StepChanged("ann", "cli", "look", StepState.SKIPPED, " \n"), "step look: say why it is skipped"),
        ([], StepChanged("ann", "cli", "look", StepState.TODO), "step look is todo already; .*"),
        (
            [StepChanged("ann", "cli", "look", StepState.DONE)],
            StepChanged("bob", "cli", "look", StepState.DONE, "me too"),
            "step look is done by ann at 2026-03-01 12:00:00 UTC already; add what you know as a note",
        ),
        ([], StepChanged("ann", "cli", "lok", StepState.DONE), "incident 12 has no step 'lok'; its steps: look, fix"),
    ],
)
def test_what_cannot_be_done_says_why(before: list[Event], event: Event, text: str) -> None:
    incident = after(opened(target=BOTH).incident, *before).incident
    with pytest.raises(InvalidTransition, match=text):
        apply(incident, event, NOON)


def test_an_incident_without_a_runbook_has_no_steps() -> None:
    with pytest.raises(UnknownStep, match="its steps: none"):
        apply(opened(steps=()).incident, StepChanged("ann", "cli", "look", StepState.DONE), NOON)


def test_steps_keep_who_when_and_what_also_after_the_end() -> None:
    incident = opened(target=BOTH).incident
    doing = after(incident, StepChanged("ann", "cli", "look", StepState.DOING))
    assert (doing.pages, doing.entries[0].text) == ((), "look: todo -> doing")
    done = after(
        doing.incident, CLEAR, StepChanged("bob", "cli", "look", StepState.DONE, " 12 GB "), at=NOON + timedelta(1)
    )
    look, fix = done.incident.steps
    assert (look.state, look.actor, look.changed_at, look.note) == (StepState.DONE, "bob", NOON + timedelta(1), "12 GB")
    assert fix == STEPS[1]
    assert (done.entries[0].kind, done.entries[0].text) == ("step", "look: doing -> done: 12 GB")
    skipped = after(done.incident, StepChanged("bob", "cli", "fix", StepState.SKIPPED, "it healed"))
    assert skipped.incident.steps[1].note == "it healed"
    noted = after(skipped.incident, Noted("bob", "cli", "written up"))
    assert (noted.incident, noted.pages) == (skipped.incident, ())
    assert (noted.entries[0].kind, noted.entries[0].text) == ("noted", "written up")


def test_a_clock_that_steps_back_leaves_the_timeline_in_order() -> None:
    acknowledged = after(opened().incident, ACK, at=NOON + timedelta(minutes=5)).incident
    transition = after(acknowledged, CLEAR, at=NOON - timedelta(days=400))
    assert {entry.at for entry in transition.entries} == {NOON + timedelta(minutes=5)}
    assert transition.incident.resolved_at == NOON + timedelta(minutes=5)
    step = after(opened().incident, StepChanged("ann", "cli", "look", StepState.DONE), at=NOON + timedelta(1)).incident
    assert after(step, Noted("ann", "cli", "x"), at=NOON).entries[0].at == NOON + timedelta(1)


def test_text_from_outside_loses_what_would_harm_a_terminal_or_a_database() -> None:
    evil = "\x1b[2Ja\x00b\udc80\x9b\u202e\r\nc\td"
    incident = opened(replace(PAGE, summary=evil, evidence=((evil, evil),))).incident
    assert incident.title.startswith("api: outage - \ufffd[2Ja\ufffdb\ufffd\ufffd\ufffd c d, since")
    assert incident.evidence == (
        ("outage: \ufffd[2Ja\ufffdb\ufffd\ufffd\ufffd c d", "\ufffd[2Ja\ufffdb\ufffd\ufffd\ufffd\nc\td"),
    )
    assert len(opened(replace(PAGE, summary="é" * 5000)).incident.title) <= 1024


@settings(deadline=None)
@given(st.text(min_size=1, max_size=300), st.text(max_size=300), st.integers(1, 10**9))
def test_a_dedup_key_is_short_and_its_own(region: str, target: str, episode: int) -> None:
    region, target = region.encode("utf-8", "replace").decode(), target.encode("utf-8", "replace").decode()
    key = dedup_key(region, target, episode, NOON)
    others = (
        dedup_key(region, target, episode + 1, NOON),
        dedup_key(region + "x", target, episode, NOON),
        dedup_key(region, target, episode, NOON + timedelta(days=1)),  # the same episode of another store
    )
    assert len(key) + len(":ticket") <= 255
    assert key == dedup_key(region, target, episode, NOON)
    assert len({key, *others}) == 4


def test_a_page_ends_with_the_last_rule_that_pages_and_its_tickets_are_left() -> None:
    grown = after(opened(TICKET, target=BOTH).incident, received(fired=(PAGE,))).incident
    assert grown.level is Level.PAGE
    ended = after(grown, received(recovered=(verdict("outage", firing=False),)))
    assert ended.incident.state is IncidentState.RESOLVED
    assert [(page.action, page.route) for page in ended.pages] == [(RESOLVE, "people")]
    (left,) = ended.left
    assert (left.rule, left.level, left.summary, left.evidence) == (
        TICKET.rule,
        Level.TICKET,
        TICKET.summary,
        TICKET.evidence,
    )
    assert left.since_seconds == pytest.approx(TICKET.since_seconds)


def test_a_page_goes_on_while_another_rule_pages() -> None:
    both = opened(PAGE, verdict("burn_rate:availability"), TICKET, target=BOTH).incident
    going_on = after(both, received(recovered=(verdict("outage", firing=False),)))
    assert going_on.incident.state is IncidentState.TRIGGERED
    assert (going_on.pages, going_on.left) == ((), ())


def test_a_page_that_was_over_before_it_was_read_leaves_its_tickets_too() -> None:
    signal = Signal(target="api", fired=(PAGE, TICKET), recovered=(verdict("outage", firing=False),))
    made = opened(signal=signal, target=BOTH)
    assert [page.action for page in made.pages] == [TRIGGER, RESOLVE]
    assert [one.rule for one in made.left] == [TICKET.rule]
