from __future__ import annotations

from typing import Any

import pytest

from alerts.rules.tls_grade import build
from alerts.verdict import Level, Verdict
from probes.result import FailureReason, ProbeResult
from tests.alerts.rules.feed import START_SECONDS, Feed, judged, rating, target


def verdicts(letters: list[str], objective: str = "A", **tls: Any) -> list[tuple[int, Verdict]]:
    [rule] = build(target(tls={"grade": objective, **tls}))
    return judged(rule.observe, [scan(Feed(), letter) for letter in letters])


def scan(feed: Feed, letter: str, **facts: Any) -> ProbeResult:
    return feed.result(kind="tls_grade", grade=rating(letter, **facts))


@pytest.mark.parametrize(
    ("objective", "letter", "level"),
    [
        ("A", "A+", None),
        ("A", "A", None),
        ("A", "A-", Level.TICKET),
        ("A+", "A", Level.TICKET),
        ("A", "B", Level.TICKET),
        ("A", "E", Level.TICKET),
        ("A", "F", Level.PAGE),
        ("B", "T", Level.PAGE),
        ("F", "M", Level.PAGE),
        ("F", "F", None),
        ("C", "B", None),
        ("A", "a letter of tomorrow", None),
    ],
)
def test_letter_against_objective(objective: str, letter: str, level: Level | None) -> None:
    assert [verdict.level for _, verdict in verdicts([letter], objective)] == ([] if level is None else [level])


def test_recovers_with_the_scan_that_meets_the_objective() -> None:
    found = verdicts(["A", "B", "C", "F", "B", "A", "A"])
    assert [(index, verdict.firing, verdict.level) for index, verdict in found] == [
        (1, True, Level.TICKET),
        (3, True, Level.PAGE),  # and stays a page through the B
        (5, False, Level.PAGE),
    ]


def test_a_failed_scan_is_no_scan() -> None:
    feed = Feed()
    [rule] = build(target(tls={"grade": "A"}))
    rule.restore(Level.TICKET)
    failed = feed.bad(FailureReason.TIMEOUT, kind="tls_grade", grade=rating("A"))
    empty = feed.result(kind="tls_grade")
    assert judged(rule.observe, [failed, empty, feed.good(grade=rating("A"))]) == []
    assert rule.observe(scan(feed, "A")) is not None


def test_trust_is_no_matter_where_it_is_not_verified() -> None:
    results = [scan(Feed(), "T", letter_trust_ignored="A")]
    [strict] = build(target(tls={"grade": "A"}))
    [lax] = build(target(tls={"grade": "A", "verify": False}))
    assert [verdict.level for _, verdict in judged(strict.observe, results)] == [Level.PAGE]
    assert judged(lax.observe, results) == []


def test_says_what_was_expected_and_seen() -> None:
    [rule] = build(target(tls={"grade": "A"}))
    verdict = rule.observe(scan(Feed(), "B", findings=7))
    assert verdict is not None
    assert verdict.since_seconds == START_SECONDS
    assert verdict.summary == "TLS is rated B, below A"
    assert verdict.evidence[:3] == (
        ("expected", "A or better"),
        ("seen", "B (protocol 95, key exchange 90, cipher 80)"),
        ("rule-0", "finding 0"),
    )
    assert len(verdict.evidence) == 2 + 5


def test_reset_lets_the_next_scan_speak() -> None:
    [rule] = build(target(tls={"grade": "A"}))
    feed = Feed()
    assert rule.observe(scan(feed, "B")) is not None
    rule.reset()
    assert rule.observe(scan(feed, "B")) is not None


def test_no_objective_no_rule() -> None:
    assert build(target()) == ()
