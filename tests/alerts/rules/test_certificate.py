from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from alerts.rules.certificate import LEAST_GOOD_SIGHTS, Certificate
from alerts.rules.steady_wall import SETTLE_SECONDS
from alerts.verdict import Level
from probes.result import FailureReason, ProbeResult
from tests.alerts.rules.feed import Feed, judged, session, target


def certificate(ticket: str = "21d", page: str = "7d", **options: Any) -> Certificate:
    return Certificate(target(tls={"expiry": {"ticket": ticket, "page": page}}, **options))


def sights(feed: Feed, days_left: float, count: int = LEAST_GOOD_SIGHTS) -> list[ProbeResult]:
    return [feed.good(tls=session(days_left)) for _ in range(count)]


@pytest.mark.parametrize(
    ("days_left", "level"),
    [(90, None), (21, None), (20.9, Level.TICKET), (7, Level.TICKET), (6.9, Level.PAGE), (-1, Level.PAGE)],
)
def test_fires_under_the_thresholds(days_left: float, level: Level | None) -> None:
    found = judged(certificate().observe, sights(Feed(), days_left, 3)[:1])
    assert [verdict.level for _, verdict in found] == ([] if level is None else [level])


def test_an_ended_certificate_pages_whatever_the_thresholds() -> None:
    found = judged(certificate("0s", "0s").observe, sights(Feed(), -0.1, 1))
    assert [verdict.level for _, verdict in found] == [Level.PAGE]


def test_time_alone_brings_the_ticket_and_then_the_page() -> None:
    """Probed every hour, with 22 days left: 20 days on it has fired twice."""
    found = judged(certificate().observe, sights(Feed(every=3600), 22, 20 * 24))
    assert [(index, verdict.level) for index, verdict in found] == [
        (25, Level.TICKET),  # 22 d - 24 h is 21 d and not yet under them
        (15 * 24 + 1, Level.PAGE),
    ]


def test_a_failing_probe_shows_a_certificate_too() -> None:
    result = Feed().bad(FailureReason.CERTIFICATE, tls=session(-3))
    [(_, verdict)] = judged(certificate().observe, [result])
    assert verdict.summary == "the certificate ended 3d ago"


def test_no_session_tells_nothing() -> None:
    feed, rule = Feed(), certificate()
    rule.restore(Level.TICKET)
    assert judged(rule.observe, [feed.bad(FailureReason.CERTIFICATE) for _ in range(50)]) == []
    assert judged(rule.observe, [feed.good(kind="tls_grade", tls=session(-3)) for _ in range(50)]) == []


def test_recovers_when_the_renewed_one_is_all_that_is_seen() -> None:
    feed = Feed()
    half_renewed = [feed.good(tls=session(3 if number % 5 == 0 else 90)) for number in range(40)]
    found = judged(certificate().observe, half_renewed + sights(feed, 90, 20))
    assert [(index, verdict.firing) for index, verdict in found] == [(0, True), (35 + LEAST_GOOD_SIGHTS, False)]
    assert found[1][1].summary == "the certificate was renewed"


def test_recovery_takes_as_long_as_the_target_asks_for() -> None:
    rule = certificate(recovery={"successes": 12, "for": "5m"})
    rule.restore(Level.PAGE)
    [(index, _)] = judged(rule.observe, sights(Feed(), 90, 60))
    assert index == 30


def test_a_result_that_lost_its_session_is_no_answer_without_one() -> None:
    rule, feed = certificate(), Feed()
    assert len(judged(rule.observe, [feed.good(tls=session(3))])) == 1
    assert judged(rule.observe, [feed.good(stripped=True) for _ in range(100)]) == []


def test_an_address_that_became_plain_http_recovers() -> None:
    feed, rule = Feed(), certificate()
    rule.restore(Level.TICKET)
    [(index, verdict)] = judged(rule.observe, feed.pattern("." * 20))
    assert index == LEAST_GOOD_SIGHTS - 1
    assert verdict.summary == "no certificate is presented any more"


@pytest.mark.parametrize("step_days", [40, -40])
def test_a_passing_step_of_the_wall_clock_changes_nothing(step_days: float) -> None:
    """One with 40 days left, and one that ends: neither opens nor closes while the clock is wrong for 10 min."""
    for days_left, expected in ((40, []), (3, [0])):
        feed, rule = Feed(), certificate()
        results = sights(feed, days_left, 30)
        feed.wall_ahead = timedelta(days=step_days)
        results += sights(feed, days_left, 60)
        feed.wall_ahead = timedelta(0)
        results += sights(feed, days_left, 200)
        assert [index for index, _ in judged(rule.observe, results)] == expected


def test_a_step_that_stays_is_believed() -> None:
    feed, rule = Feed(), certificate()
    judged(rule.observe, sights(feed, 40, 3))
    feed.wall_ahead = timedelta(days=30)
    [(index, _)] = judged(rule.observe, sights(feed, 40, 200))
    assert index == SETTLE_SECONDS / feed.every


def test_a_clock_that_goes_on_stepping_is_not_believed() -> None:
    feed, rule = Feed(), certificate()
    results = sights(feed, 40, 3)
    for number in range(200):
        feed.wall_ahead = timedelta(days=30 + number % 7)
        results += sights(feed, 40, 1)
    assert judged(rule.observe, results) == []


def test_a_clock_put_right_gently_does_not_flap_at_the_threshold() -> None:
    feed, rule = Feed(), certificate()
    results = []
    for number in range(400):
        feed.wall_ahead = timedelta(seconds=0 if number // 40 % 2 else -240)
        results += sights(feed, 21, 1)
    assert [verdict.firing for _, verdict in judged(rule.observe, results)] == [True]


def test_resolved_by_hand_it_reminds_a_day_later() -> None:
    rule, hourly = certificate(), Feed(every=3600)
    judged(rule.observe, sights(hourly, 15, 1))
    rule.reset()
    found = judged(rule.observe, sights(hourly, 15, 60))
    assert [(index, verdict.firing, verdict.level) for index, verdict in found] == [(23, True, Level.TICKET)]


def test_resolved_by_hand_it_still_pages_when_the_page_is_due() -> None:
    rule, hourly = certificate(), Feed(every=3600)
    judged(rule.observe, sights(hourly, 7.1, 1))
    rule.reset()
    found = judged(rule.observe, sights(hourly, 7.1, 12))
    assert [(index, verdict.level) for index, verdict in found] == [(2, Level.PAGE)]


def test_resolved_by_hand_and_renewed_the_next_one_is_brought_up_at_once() -> None:
    rule, feed = certificate(), Feed()
    judged(rule.observe, sights(feed, 15, 1))
    rule.reset()
    assert [index for index, _ in judged(rule.observe, sights(feed, 90, 20) + sights(feed, 15, 1))] == [20]


def test_says_what_was_expected_and_seen() -> None:
    feed = Feed()
    [(_, verdict)] = judged(certificate().observe, sights(feed, 3, 1))
    assert verdict.summary == "the certificate ends in 3d"
    assert verdict.evidence == (
        ("expected", "at least 7d left"),
        ("ends", "2026-01-04T00:00:00+00:00"),
        ("leaf sha256", "ab" * 32),
    )
