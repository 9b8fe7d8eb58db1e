from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from alerts.correlate import Correlator
from alerts.rules import MinuteCounts
from alerts.verdict import Level, Signal
from probes.result import FailureReason, ProbeResult
from tests.alerts.rules.feed import START_SECONDS, Feed, rating, session, target

QUICK: dict[str, Any] = {"outage": {"failures": 3, "for": "0s"}, "recovery": {"successes": 3, "for": "0s"}}
BURN = "burn_rate:availability"


def one(**options: Any) -> Correlator:
    return Correlator([target(**(QUICK | options))])


def signals(correlator: Correlator, results: Iterable[ProbeResult]) -> list[tuple[int, Signal]]:
    """(index of the result, signal), fed one by one."""
    told = ((index, correlator.observe((result,))) for index, result in enumerate(results))
    return [(index, signal) for index, found in told for signal in found]


def rules(signal: Signal) -> tuple[set[str], set[str], bool]:
    return {verdict.rule for verdict in signal.fired}, {verdict.rule for verdict in signal.recovered}, signal.all_clear


def test_pages_on_the_third_failure_and_clears_on_the_third_success() -> None:
    found = signals(one(), Feed().pattern("..xxx.x..."))
    assert [(index, *rules(signal)) for index, signal in found] == [
        (4, {"outage"}, set(), False),
        (9, set(), {"outage"}, True),
    ]


def test_one_signal_a_target_a_batch() -> None:
    correlator = Correlator([target("a", **QUICK), target("b", **QUICK)])
    a, b = Feed(name="a"), Feed(name="b")
    batch = [*a.pattern("xx"), *b.pattern("x.x"), a.bad(FailureReason.CERTIFICATE, tls=session(-2))]
    [signal] = correlator.observe(batch)
    assert signal.target == "a"
    assert rules(signal) == ({"outage", "certificate"}, set(), False)
    assert correlator.firing("a") == {"outage": Level.PAGE, "certificate": Level.PAGE}
    assert correlator.firing("b") == correlator.firing("nobody") == {}


def test_a_whole_episode_in_one_batch_is_told() -> None:
    [signal] = one().observe(Feed().pattern("xxx..."))
    assert rules(signal) == ({"outage"}, {"outage"}, True)


def test_a_rule_that_ends_and_fires_again_in_one_batch_has_not_changed() -> None:
    correlator, feed = one(), Feed()
    assert len(correlator.observe(feed.pattern("xxx"))) == 1
    assert correlator.observe(feed.pattern("...xxx")) == ()
    [signal] = correlator.observe(feed.pattern("...xxx..."))
    assert rules(signal) == (set(), {"outage"}, True)


def test_a_rise_in_the_same_batch_is_told_once_at_its_height() -> None:
    feed = Feed()
    scans = [feed.result(kind="tls_grade", grade=rating(letter)) for letter in ("B", "F")]
    [signal] = one(tls={"grade": "A"}).observe(scans)
    assert [verdict.level for verdict in signal.fired] == [Level.PAGE]


def test_a_rise_through_an_end_in_the_same_batch_is_told() -> None:
    correlator, feed = one(tls={"grade": "A"}), Feed()
    assert len(correlator.observe([feed.result(kind="tls_grade", grade=rating("B"))])) == 1
    [signal] = correlator.observe([feed.result(kind="tls_grade", grade=rating(letter)) for letter in ("A", "F")])
    assert rules(signal) == ({"tls_grade"}, set(), False)
    assert signal.fired[0].level is Level.PAGE


def test_a_level_only_rises_across_an_end_in_the_same_batch() -> None:
    """F, then A and B in one batch: for the incident that is one page, which ends as one."""
    correlator, feed = one(tls={"grade": "A"}), Feed()

    def scans(*letters: str) -> list[tuple[list[Level], list[Level]]]:
        found = correlator.observe([feed.result(kind="tls_grade", grade=rating(letter)) for letter in letters])
        return [([verdict.level for verdict in s.fired], [verdict.level for verdict in s.recovered]) for s in found]

    assert scans("F") == [([Level.PAGE], [])]
    assert scans("A", "B") == []
    assert correlator.firing("api") == {"tls_grade": Level.PAGE}
    assert scans("F") == []
    assert scans("A") == [([], [Level.PAGE])]
    assert scans("B") == [([Level.TICKET], [])]
    assert scans("F", "A") == [([Level.PAGE], [Level.PAGE])]  # a page that was over before it was read
    assert scans("F", "A", "B") == [([Level.PAGE], [])]


def test_all_clear_only_when_every_rule_has_recovered() -> None:
    correlator, feed = one(tls={"grade": "A"}), Feed()
    found = signals(
        correlator,
        [
            feed.result(kind="tls_grade", grade=rating("B")),
            *feed.pattern("xxx..."),
            feed.result(kind="tls_grade", grade=rating("A")),
        ],
    )
    assert [(index, *rules(signal)) for index, signal in found] == [
        (0, {"tls_grade"}, set(), False),
        (3, {"outage"}, set(), False),
        (6, set(), {"outage"}, False),
        (7, set(), {"tls_grade"}, True),
    ]


@pytest.mark.parametrize("seconds", [math.nan, math.inf, -math.inf])
def test_results_without_a_time_and_of_unknown_targets_are_passed_over(seconds: float) -> None:
    results = [replace(result, monotonic_seconds=seconds) for result in Feed().pattern("xxxxxx")]
    assert one().observe(results) == ()
    assert one().observe(Feed(name="nobody").pattern("xxxxxx")) == ()


# -- an outage and the error budget that it spends --


def test_the_end_of_an_outage_ends_the_burn_that_it_explains() -> None:
    correlator = one(slo={"availability": "99.9%"})
    found = signals(correlator, Feed().pattern("x" * 20 + "..." + "xx"))
    assert [(index, *rules(signal)) for index, signal in found] == [
        (2, {"outage"}, set(), False),
        (5, {BURN}, set(), False),
        (22, set(), {"outage", BURN}, True),
    ]


def test_a_burn_from_before_the_outage_goes_on() -> None:
    correlator = one(slo={"availability": "99.9%"})
    found = signals(correlator, Feed().pattern("x." * 6 + "." * 4 + "xxx" + "..." + "." * 300))
    assert [rules(signal) for _, signal in found] == [
        ({BURN}, set(), False),
        ({"outage"}, set(), False),
        (set(), {"outage"}, False),
        (set(), {BURN}, True),
    ]


def test_a_ticket_from_before_the_outage_that_it_made_a_page_goes_on() -> None:
    correlator = one(slo={"availability": "99.9%"})
    found = signals(correlator, Feed().pattern(("." * 299 + "x") * 26 + "." * 9 + "x" * 20 + "..."))
    assert [(rules(signal), [verdict.level.value for verdict in signal.fired]) for _, signal in found] == [
        (({BURN}, set(), False), ["ticket"]),
        (({"outage"}, set(), False), ["page"]),
        (({BURN}, set(), False), ["page"]),
        ((set(), {"outage"}, False), []),
    ]


def test_what_an_outage_spent_is_not_brought_up_again() -> None:
    """Four outages of four failures: 16 would be three times what an hour may lose."""
    found = signals(one(slo={"availability": "99.9%"}), Feed().pattern("xxxx....." * 4))
    assert {rule for _, signal in found for rule in rules(signal)[0]} == {"outage"}


def test_an_outage_says_nothing_of_latency() -> None:
    correlator = one(slo={"latency": {"p99": "400ms"}})
    found = signals(correlator, Feed().pattern("s" * 60 + "x" * 20 + "..."))
    assert [rules(signal) for _, signal in found] == [
        ({"burn_rate:latency:p99"}, set(), False),
        ({"outage"}, set(), False),
        (set(), {"outage"}, False),
    ]


def test_windows_start_afresh_when_the_last_rule_recovers() -> None:
    """50 slow answers are almost a page; after an outage that took the incident to its end they are forgotten."""
    correlator, feed = one(slo={"latency": {"p99": "400ms"}}), Feed()
    found = signals(correlator, feed.pattern("s" * 50 + "xxx..." + "s" * 50))
    assert [rules(signal)[0] for _, signal in found] == [{"outage"}, set()]
    assert correlator.observe(feed.pattern("ss"))[0].fired != ()


# -- restarts --


def test_a_restored_outage_recovers() -> None:
    correlator = one()
    assert correlator.restore("api", {"outage": Level.PAGE}) is None
    found = signals(correlator, Feed().pattern("xxxx..."))
    assert [(index, *rules(signal)) for index, signal in found] == [(6, set(), {"outage"}, True)]


def test_a_restored_rule_that_is_not_configured_any_more_recovers_with_the_next_good_result() -> None:
    correlator = one()
    correlator.restore("api", {"outage": Level.PAGE, BURN: Level.TICKET, "rule of old": Level.PAGE})
    found = signals(correlator, Feed().pattern("x..."))
    assert [(index, *rules(signal)) for index, signal in found] == [
        (1, set(), {BURN, "rule of old"}, False),
        (3, set(), {"outage"}, True),
    ]


def test_an_open_incident_for_which_nothing_fires_is_closed_by_the_next_good_result() -> None:
    correlator = one()
    correlator.restore("api", {})
    found = signals(correlator, Feed().pattern("x.."))
    assert [(index, *rules(signal)) for index, signal in found] == [(1, set(), set(), True)]


def test_a_burn_restored_with_an_outage_ends_with_it() -> None:
    correlator = one(slo={"availability": "99.9%"})
    correlator.restore("api", {BURN: Level.PAGE, "outage": Level.PAGE})
    found = signals(correlator, Feed().pattern("..."))
    assert [rules(signal) for _, signal in found] == [(set(), {"outage", BURN}, True)]


def test_a_restored_burn_outlives_an_outage_that_began_later() -> None:
    correlator = one(slo={"availability": "99.9%"})
    correlator.restore("api", {BURN: Level.PAGE})
    found = signals(correlator, Feed().pattern("xxx..."))
    assert [rules(signal) for _, signal in found] == [({"outage"}, set(), False), (set(), {"outage"}, False)]


def test_the_incident_of_a_target_that_is_gone_is_closed_at_once() -> None:
    signal = one().restore("gone", {"outage": Level.PAGE})
    assert signal is not None
    assert (signal.target, *rules(signal)) == ("gone", set(), {"outage"}, True)


def test_stored_minutes_reach_the_burn_rates_of_their_target_only() -> None:
    correlator = Correlator([target("a", slo={"availability": "99.9%"}), target("b", slo={"availability": "99.9%"})])
    minutes = [MinuteCounts(monotonic_seconds=START_SECONDS - 120, total=6, failed=5)]
    correlator.preload("a", minutes)
    correlator.preload("nobody", minutes)
    assert [signal.target for signal in correlator.observe([Feed(name=name).bad() for name in "ab"])] == ["a"]


# -- by hand, and other settings --


def test_after_a_resolve_by_hand_the_outage_is_counted_anew() -> None:
    correlator, feed = one(slo={"availability": "99.9%"}), Feed()
    signals(correlator, feed.pattern("x" * 20))
    correlator.reset("api")
    correlator.reset("nobody")
    assert correlator.firing("api") == {}
    found = signals(correlator, feed.pattern("xxxxxx"))
    assert [(index, *rules(signal)) for index, signal in found] == [
        (2, {"outage"}, set(), False),
        (5, {BURN}, set(), False),
    ]


def test_after_a_resolve_by_hand_good_results_say_nothing() -> None:
    correlator, feed = one(), Feed()
    signals(correlator, feed.pattern("xxx"))
    correlator.reset("api")
    assert signals(correlator, feed.pattern("....")) == []


def test_a_reload_keeps_the_state_of_what_means_the_same() -> None:
    correlator, feed = one(), Feed()
    signals(correlator, feed.pattern("xx"))
    assert correlator.replace([target(**QUICK, severity="info", route="other", runbook="a.md")]) == ()
    assert [index for index, _ in signals(correlator, feed.pattern("x"))] == [0]


def test_a_reload_with_other_settings_starts_afresh_with_the_incident_open() -> None:
    correlator, feed = one(slo={"availability": "99.9%"}), Feed()
    signals(correlator, feed.pattern("x" * 10))
    assert correlator.replace([target(**QUICK)]) == ()
    found = signals(correlator, feed.pattern("xxxx..."))
    assert [(index, *rules(signal)) for index, signal in found] == [
        (4, set(), {BURN}, False),
        (6, set(), {"outage"}, True),
    ]


def test_a_grade_that_is_not_made_any_more_ends_when_the_address_has_no_tls_any_more() -> None:
    graded = {**QUICK, "tls": {"grade": "A"}}
    correlator, feed = one(**graded), Feed()
    assert len(signals(correlator, [feed.result(kind="tls_grade", grade=rating("C"))])) == 1
    assert correlator.replace([target(**graded, url="http://api.example.com/health")]) == ()
    assert [(index, *rules(signal)) for index, signal in signals(correlator, feed.pattern("."))] == [
        (0, set(), {"tls_grade"}, True)
    ]


def test_a_reload_of_a_quiet_target_leaves_it_quiet() -> None:
    correlator, feed = one(), Feed()
    signals(correlator, feed.pattern("xx"))
    assert correlator.replace([target(**QUICK, timeout="2s")]) == ()
    assert signals(correlator, feed.pattern("x..")) == []
    assert len(signals(correlator, feed.pattern("xxx"))) == 1


def test_a_reload_closes_the_incidents_of_targets_that_are_gone() -> None:
    correlator = Correlator([target("a", **QUICK), target("b", **QUICK)])
    signals(correlator, Feed(name="a").pattern("xxx"))
    [signal] = correlator.replace([target("c")])
    assert (signal.target, *rules(signal)) == ("a", set(), {"outage"}, True)
    assert signal.recovered[0].since_seconds == START_SECONDS + 20
    assert signals(correlator, Feed(name="a").pattern("xxx...")) == []
