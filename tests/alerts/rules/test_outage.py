from __future__ import annotations

from dataclasses import replace

import pytest

from alerts.rules.outage import Outage
from alerts.verdict import Level
from probes.result import FailureReason
from tests.alerts.rules.feed import START_SECONDS, Feed, judged, target


def outage(failures: int = 3, fail_for: str = "0s", successes: int = 2, good_for: str = "0s") -> Outage:
    return Outage(
        target(outage={"failures": failures, "for": fail_for}, recovery={"successes": successes, "for": good_for})
    )


@pytest.mark.parametrize(
    ("fail_for", "marks", "fires_at"),
    [
        ("0s", "xxx", 2),
        ("0s", "..xx.xxx", 7),
        ("0s", "xx.xx.xx", None),
        ("60s", "xxxxxxx", 6),  # the seventh comes 60 s after the first
        ("60s", "xxxxxx", None),  # six span 50 s: a blip
        ("60s", "x_____xx", 2),  # three that span 70 s; what was not probed is not known to have been good
        ("0s", "xiix.xixx", 8),  # our own faults neither count ...
        ("0s", "xixix", 4),  # ... nor break a row
        ("0s", "iiiiiiii", None),
        ("0s", "ssss", None),  # slow is not down
    ],
)
def test_fires_when_count_and_time_are_full(fail_for: str, marks: str, fires_at: int | None) -> None:
    verdicts = judged(outage(fail_for=fail_for).observe, Feed().pattern(marks))
    assert [index for index, _ in verdicts] == ([] if fires_at is None else [fires_at])
    assert all(verdict.firing and verdict.level is Level.PAGE for _, verdict in verdicts)


def test_first_failure_is_enough_when_the_settings_say_so() -> None:
    assert judged(outage(failures=1).observe, Feed().pattern(".x"))[0][0] == 1


@pytest.mark.parametrize(
    ("successes", "good_for", "marks", "recovers_at"),
    [
        (2, "0s", "xxx..", 4),
        (2, "0s", "xxx.x.x..", 8),
        (1, "0s", "xxx.", 3),
        (2, "30s", "xxx....", 6),  # four in a row span 30 s
        (3, "0s", "xxx.i.i.", 7),
        (3, "0s", "xxxiiiiii..", None),
        (2, "30s", "xxx.__.", 4),  # two results that span 30 s
    ],
)
def test_recovers_when_count_and_time_are_full(
    successes: int, good_for: str, marks: str, recovers_at: int | None
) -> None:
    verdicts = judged(outage(successes=successes, good_for=good_for).observe, Feed().pattern(marks))
    assert [index for index, _ in verdicts] == ([2] if recovers_at is None else [2, recovers_at])
    assert [verdict.firing for _, verdict in verdicts] == [True, False][: len(verdicts)]


def test_says_what_was_expected_and_seen() -> None:
    feed = Feed()
    results = [*feed.pattern("..xx"), feed.bad(FailureReason.REFUSED)]
    [(_, verdict)] = judged(outage().observe, results)
    assert verdict.since_seconds == START_SECONDS + 20  # the first failure, not when it was believed
    assert verdict.summary == "down: 3 failed in a row over 20s (2 timeout, 1 refused)"
    assert dict(verdict.evidence) == {
        "expected": "fewer than 3 failures in a row over 0s",
        "first failure": "2026-01-01T00:00:20+00:00",
        "failures in a row": "3 over 20s",
        "reasons": "2 timeout, 1 refused",
        "last failure": "saw refused",
    }


def test_says_how_long_it_was_down() -> None:
    [_, (_, verdict)] = judged(outage().observe, Feed().pattern("xxx.x..."))
    assert not verdict.firing
    assert verdict.since_seconds == START_SECONDS + 50  # the first of the good row that ended it
    assert verdict.summary == "up again: 2 succeeded in a row over 10s"
    assert dict(verdict.evidence)["down for"] == "50s"


def test_a_second_outage_fires_again() -> None:
    verdicts = judged(outage().observe, Feed().pattern("xxx..xxx.."))
    assert [(index, verdict.firing) for index, verdict in verdicts] == [(2, True), (4, False), (7, True), (9, False)]


def test_copies_and_stragglers_do_not_count() -> None:
    rule = outage()
    first, second, third = Feed().pattern("xxx")
    assert judged(rule.observe, [first, first, second, second, first, second]) == []
    assert rule.observe(third) is not None


def test_a_clock_that_begins_again_keeps_the_row() -> None:
    rule = outage(fail_for="60s")
    early = [replace(result, monotonic_seconds=result.monotonic_seconds - 4990) for result in Feed().pattern("xxxx")]
    verdicts = judged(rule.observe, Feed().pattern("xxxx") + early)  # 30 s, then 0 s and 30 s more
    assert [index for index, _ in verdicts] == [7]
    assert verdicts[0][1].since_seconds == early[-1].monotonic_seconds - 60


def test_reprobes_make_it_sure_sooner() -> None:
    """Every 10 s, and 2 s after a failure: the third failure in a row is 4 s after the first, not 20 s."""
    seen = [(0, False), (2, True), (4, True), (10, False)]
    failures = [replace(Feed().bad(), monotonic_seconds=1000.0 + at, reprobe=beside) for at, beside in seen]
    assert [index for index, _ in judged(outage().observe, failures)] == [2]


def test_reprobes_do_not_shorten_for() -> None:
    failures = [replace(Feed().bad(), monotonic_seconds=1000.0 + at, reprobe=at % 10 != 0) for at in range(0, 70, 2)]
    [(index, _)] = judged(outage(fail_for="60s").observe, failures)
    assert failures[index].monotonic_seconds == 1060.0


def test_a_stripped_failure_is_a_failure_and_a_suspect_answer_an_answer() -> None:
    feed = Feed()
    results = [feed.bad(stripped=True) for _ in range(3)] + [feed.good(suspect=True) for _ in range(2)]
    assert [(index, verdict.firing) for index, verdict in judged(outage().observe, results)] == [(2, True), (4, False)]


def test_grade_scans_are_not_probes() -> None:
    feed = Feed()
    assert judged(outage().observe, [feed.bad(kind="tls_grade") for _ in range(9)]) == []


def test_restored_outage_does_not_fire_again_and_recovers() -> None:
    rule = outage()
    rule.restore(Level.PAGE)
    [(index, verdict)] = judged(rule.observe, Feed().pattern("xxxx.."))
    assert (index, verdict.firing, verdict.level) == (5, False, Level.PAGE)
    assert "down for" not in dict(verdict.evidence)  # it began before the restart


def test_reset_forgets_the_row() -> None:
    rule, feed = outage(), Feed()
    judged(rule.observe, feed.pattern("xxxx"))
    rule.reset()
    assert [index for index, _ in judged(rule.observe, feed.pattern("xxx"))] == [2]
