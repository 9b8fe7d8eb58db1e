"""All targets here are probed every 10 s: 30 results in 5 min, 360 in an hour, 2160 in 6 h, 8640 in a day."""

from __future__ import annotations

import math
from typing import Any

import pytest

from alerts.rules import MinuteCounts
from alerts.rules.burn_rate import BurnRate, build
from alerts.verdict import Level
from tests.alerts.rules.feed import START_SECONDS, Feed, judged, target


def burn_rate(availability: str | None = "99.9%", every: str = "10s", **slo: Any) -> BurnRate:
    """The first burn rate of a target with this objective."""
    objective = {"availability": availability} if availability else {}
    [rule, *_] = build(target(every=every, slo=objective | slo))
    assert isinstance(rule, BurnRate)
    return rule


def slow(name: str, threshold: str = "400ms") -> BurnRate:
    return burn_rate(None, latency={name: threshold})


def test_one_rule_an_objective() -> None:
    rules = build(target(slo={"availability": "99.9%", "latency": {"p99": "1s", "p50": "100ms"}}))
    assert [rule.name for rule in rules] == ["burn_rate:availability", "burn_rate:latency:p50", "burn_rate:latency:p99"]
    assert build(target(slo={"latency": {"p99": "1s"}}))[0].name == "burn_rate:latency:p99"
    assert build(target(slo={})) == build(target()) == ()


@pytest.mark.parametrize(
    ("availability", "fires_at"),
    [
        ("99.9%", 6),  # 14.4 * 0.1 % of 360 is 5.2
        ("99.95%", 5),  # 2.6, but fewer than 5 prove nothing
        ("99.999%", 5),
        ("99.99999999999999%", 5),  # is 100 % in floats: no budget at all
        ("99%", 52),  # 14.4 * 1 % of 360 is 51.8
        ("90%", 1296),  # 14.4 is out of reach: 6 * 10 % of 2160
    ],
)
def test_pages_on_the_failure_that_spends_the_share(availability: str, fires_at: int) -> None:
    [(index, verdict)] = judged(burn_rate(availability).observe, Feed().pattern("x" * (fires_at + 50)))
    assert index + 1 == fires_at
    assert verdict.firing
    assert verdict.level is Level.PAGE


def test_good_results_before_make_no_difference() -> None:
    """What a new window lacks counts as good, so that a fresh daemon judges as one that has run for long."""
    assert judged(burn_rate().observe, Feed().pattern("." * 400 + "x" * 6))[0][0] == 405


def test_one_failure_in_twenty_pages_with_the_sixth() -> None:
    [(index, _)] = judged(burn_rate().observe, Feed().pattern(("." * 19 + "x") * 10))
    assert index == 6 * 20 - 1


def test_one_lost_probe_now_and_then_says_nothing() -> None:
    """One failure in 2000 is half of what 99.9 % allows."""
    assert judged(burn_rate().observe, Feed().pattern(("." * 1999 + "x") * 30)) == []


def test_a_few_days_of_a_little_too_much_are_a_ticket() -> None:
    """One in 900: 1.11 times the budget. 3 d hold 25920 results, of which 25.92 may fail."""
    [(index, verdict)] = judged(burn_rate().observe, Feed().pattern(("." * 899 + "x") * 26))
    assert index == 26 * 900 - 1
    assert verdict.level is Level.TICKET
    assert verdict.summary.startswith("26 of 23400 probes failed in 3d, a burn rate of 1")


def test_a_ticket_rises_to_a_page() -> None:
    """One in 300, and then an outage: the six failures of the last hour are reached with the fifth of it."""
    found = judged(burn_rate().observe, Feed().pattern(("." * 299 + "x") * 27 + "x" * 20))
    assert [(verdict.firing, verdict.level) for _, verdict in found] == [(True, Level.TICKET), (True, Level.PAGE)]
    assert found[0][0] == 26 * 300 - 1
    assert found[1][0] == 27 * 300 - 1 + 4


def test_an_old_burn_that_has_stopped_does_not_page() -> None:
    """Five failures, 10 good minutes, and the sixth: the hour is over its share and so are the last 5 min."""
    assert len(judged(burn_rate().observe, Feed().pattern("xxxxx" + "." * 60 + "x"))) == 1
    # With 99 % the 52nd is one in 30 of the last 5 min, which 14.4 * 1 % does not hold against it.
    assert judged(burn_rate("99%").observe, Feed().pattern("x" * 51 + "." * 60 + "x")) == []


def test_recovers_when_the_short_window_is_quiet() -> None:
    """The minute of the failures leaves the last 5 min when 6 min have begun."""
    [_, (index, verdict)] = judged(burn_rate().observe, Feed().pattern("x" * 6 + "." * 50))
    assert index == 36
    assert (verdict.firing, verdict.level) == (False, Level.PAGE)
    assert dict(verdict.evidence)["seen"] == "5m: 0 of 31 bad, burn rate 0"


def test_a_burn_below_the_factor_is_quiet_too() -> None:
    """99 %: 14.4 * 1 % of the 31 to 36 results of 5 min allow 4.5 to 5.2 failures; one in 10 are 3 or 4."""
    found = judged(burn_rate("99%").observe, Feed().pattern("x" * 60 + ("." * 9 + "x") * 10))
    assert [verdict.firing for _, verdict in found] == [True, False]


def test_a_longer_burn_is_over_when_the_longer_window_is_quiet() -> None:
    """13 failures are 6 times the budget of 6 h too, so that half an hour without any is asked for."""
    found = judged(burn_rate().observe, Feed().pattern("x" * 13 + "." * 300))
    assert [(index, verdict.firing) for index, verdict in found] == [(5, True), (216, False)]


def test_windows_start_afresh_after_recovery() -> None:
    """The six failures from before do not count towards the next page, nor towards a ticket."""
    found = judged(burn_rate().observe, Feed().pattern("x" * 6 + "." * 50 + "xxxxx" + "." * 9000))
    assert [verdict.firing for _, verdict in found] == [True, False]


def test_no_data_is_not_recovery() -> None:
    """After a gap, half of what 5 min hold must be seen: 15 good results."""
    [_, (index, verdict)] = judged(burn_rate().observe, Feed().pattern("x" * 6 + "_" * 600 + "." * 20))
    assert (index, verdict.firing) == (6 + 15 - 1, False)


def test_results_rarer_than_configured_recover_all_the_same() -> None:
    rule = burn_rate()
    [fired] = judged(rule.observe, Feed().pattern("x" * 6))
    assert fired[1].firing
    hourly = Feed(every=3600)
    hourly.seconds = START_SECONDS + 7200
    [(index, verdict)] = judged(rule.observe, hourly.pattern("." * 20))
    assert (index, verdict.firing) == (14, False)


def test_a_rare_probe_needs_five_failures() -> None:
    """Every 5 min: 14.4 times 0.1 % of the 60 results of the stretched 5 h would be less than one failure."""
    results = Feed(every=300).pattern("." * 20 + "x" * 5)
    assert [index for index, _ in judged(burn_rate(every="5m").observe, results)] == [24]


def test_our_own_faults_are_no_events() -> None:
    assert judged(burn_rate().observe, Feed().pattern("i" * 100)) == []
    assert [index for index, _ in judged(burn_rate().observe, Feed().pattern("xi" * 6))] == [10]


def test_slow_answers_burn_the_latency_objective() -> None:
    [(index, verdict)] = judged(slow("p99").observe, Feed().pattern("s" * 60))
    assert index + 1 == 52
    assert verdict.summary == "52 of 52 good answers took longer than 400ms in 1h, a burn rate of 14.4"


def test_an_answer_on_the_threshold_is_in_time() -> None:
    assert judged(slow("p99", "2s").observe, Feed().pattern("s" * 60)) == []


def test_failed_probes_are_no_matter_of_latency() -> None:
    found = judged(slow("p99").observe, Feed().pattern("xs" * 52))
    assert [index for index, _ in found] == [103]


def test_a_latency_burn_is_not_over_while_nothing_answers() -> None:
    rule, feed = slow("p99"), Feed()
    assert len(judged(rule.observe, feed.pattern("s" * 52))) == 1
    assert judged(rule.observe, feed.pattern("x" * 500)) == []
    assert [index for index, _ in judged(rule.observe, feed.pattern("." * 20))] == [14]


def test_an_objective_of_every_second_answer_is_a_ticket_at_most() -> None:
    """p50: even all answers too late burn only twice the budget."""
    [(index, verdict)] = judged(slow("p50").observe, Feed().pattern("s" * 13000))
    assert (index + 1, verdict.level) == (12960, Level.TICKET)


def test_reprobes_are_no_events() -> None:
    """There are the more of them the worse it is: with them, five in six of its results would be of failing times."""
    feed = Feed()
    assert judged(burn_rate().observe, [feed.bad(reprobe=True) for _ in range(100)]) == []
    fired = burn_rate()
    assert len(judged(fired.observe, feed.pattern("x" * 6))) == 1
    assert judged(fired.observe, [feed.good(reprobe=True) for _ in range(500)]) == []


def test_an_answer_that_is_suspect_is_never_slow() -> None:
    feed = Feed()
    assert judged(slow("p99").observe, [feed.good(took=2.0, suspect=True) for _ in range(1000)]) == []


def test_nor_does_it_say_that_answers_are_quick_again() -> None:
    rule, feed = slow("p99"), Feed()
    assert len(judged(rule.observe, feed.pattern("s" * 52))) == 1
    assert judged(rule.observe, [feed.good(took=2.0, suspect=True) for _ in range(500)]) == []
    in_time = [feed.good(suspect=True) for _ in range(20)]  # whatever held the prober up, it was quick enough
    assert [index for index, _ in judged(rule.observe, in_time)] == [14]


def test_a_suspect_answer_is_an_answer_and_a_suspect_failure_a_failure() -> None:
    feed = Feed()
    results = [feed.good(took=2.0, suspect=True), *(feed.bad(suspect=True, stripped=True) for _ in range(6))]
    [(index, verdict)] = judged(burn_rate().observe, results)
    assert index == 6
    assert verdict.summary.startswith("6 of 7 probes failed")


def test_grade_scans_are_not_probes() -> None:
    feed = Feed()
    assert judged(burn_rate().observe, [feed.bad(kind="tls_grade") for _ in range(20)]) == []


def test_a_scaled_window_is_faster() -> None:
    """Over 1 d the 6 h become 12 min: 72 results, of which 6 * 1 % is 4.3."""
    [(index, verdict), *_] = judged(burn_rate("99%", window="1d").observe, Feed().pattern("x" * 20))
    assert index + 1 == 5
    assert dict(verdict.evidence)["expected"] == "a burn rate below 6 over 12m"


def test_a_window_of_nothing_is_taken_for_one_interval() -> None:
    assert judged(burn_rate(window="0s").observe, Feed().pattern("x" * 20))[0][0] == 4


def test_says_what_was_expected_and_seen() -> None:
    [(_, verdict)] = judged(burn_rate().observe, Feed().pattern("." * 54 + "x" * 6))
    assert verdict.rule == "burn_rate:availability"
    assert verdict.since_seconds == START_SECONDS + 540
    assert verdict.summary == "6 of 60 probes failed in 1h, a burn rate of 16.7"
    assert dict(verdict.evidence) == {
        "objective": "99.9% of probes succeed over 30d",
        "expected": "a burn rate below 14.4 over 1h",
        "long window": "1h: 6 of 60 bad (360 when full), burn rate 16.7",
        "short window": "5m: 6 of 36 bad, burn rate 167",
        "error budget": "2.315% of 30d spent in 1h",
    }


def test_restored_page_ends_with_enough_good_results() -> None:
    rule = burn_rate()
    rule.restore(Level.PAGE)
    [(index, verdict)] = judged(rule.observe, Feed().pattern("." * 20))
    assert (index, verdict.firing, verdict.level) == (14, False, Level.PAGE)


def test_restored_level_without_a_window_of_its_own_ends_too() -> None:
    rule = slow("p50")
    rule.restore(Level.PAGE)
    [(_, verdict)] = judged(rule.observe, Feed().pattern("." * 1100))
    assert not verdict.firing


def test_restored_page_goes_on_while_it_burns() -> None:
    rule = burn_rate()
    rule.restore(Level.PAGE)
    assert judged(rule.observe, Feed().pattern(("." * 9 + "x") * 50)) == []


def minutes(*counts: tuple[int, int, int], ago: int = 0) -> list[MinuteCounts]:
    """(total, failed, slow) of one minute after the other, up to `ago` minutes before the first result."""
    first = START_SECONDS - 60 * (ago + len(counts))
    return [
        MinuteCounts(monotonic_seconds=first + 60 * number, total=total, failed=failed, slow={"p99": late})
        for number, (total, failed, late) in enumerate(counts)
    ]


def test_stored_minutes_count_after_a_restart() -> None:
    rule = burn_rate()
    rule.preload(minutes(*[(6, 0, 0)] * 50, *[(6, 1, 0)] * 5))
    assert [index for index, _ in judged(rule.observe, Feed().pattern(".x"))] == [1]  # the sixth of the hour


def test_stored_slow_answers_count_by_the_objectives_name() -> None:
    rule = slow("p99")
    rule.preload(minutes(*[(6, 1, 5)] * 10, (6, 0, 1)))
    assert [index for index, _ in judged(rule.observe, Feed().pattern("s"))] == [0]  # 51 and this one


def test_stored_suspect_answers_are_no_events() -> None:
    rule = slow("p99")
    counts = MinuteCounts(
        monotonic_seconds=START_SECONDS - 60, total=100, failed=1, slow={"p99": 50}, suspect={"p99": 9}
    )
    rule.preload([counts])
    [(_, verdict)] = judged(rule.observe, Feed().pattern("ss"))
    assert verdict.summary.startswith("52 of 92 good answers")


def test_stored_minutes_older_than_the_window_do_not_count() -> None:
    rule = burn_rate("99%")
    rule.preload(minutes(*[(6, 6, 0)] * 10, ago=61))
    assert judged(rule.observe, Feed().pattern("x" * 51)) == []


def test_stored_minutes_make_a_restored_rule_recover_at_once() -> None:
    rule = burn_rate()
    rule.preload(minutes(*[(6, 0, 0)] * 10))
    rule.restore(Level.PAGE)
    assert [index for index, _ in judged(rule.observe, Feed().pattern("."))] == [0]


def test_stored_nonsense_does_no_harm() -> None:
    rule = burn_rate()
    rule.preload([])
    rule.preload([MinuteCounts(monotonic_seconds=math.nan, total=9, failed=9)])
    for at in (-1e308, -1.0, 1e308):
        rule.preload([MinuteCounts(monotonic_seconds=at, total=-5, failed=10**30)])
    assert judged(rule.observe, Feed().pattern("." * 20)) == []


def test_reset_empties_the_windows() -> None:
    rule, feed = burn_rate(), Feed()
    judged(rule.observe, feed.pattern("x" * 30))
    rule.reset()
    assert [index for index, _ in judged(rule.observe, feed.pattern("x" * 6))] == [5]
