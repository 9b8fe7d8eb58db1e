"""Whatever results come, in whatever order and at whatever times."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.correlate import Correlator
from alerts.rules import MinuteCounts, Rule
from alerts.rules.budget_windows import LEAST_BAD_EVENTS, BudgetWindows, Pace
from alerts.rules.burn_rate import build
from alerts.rules.stance import above
from alerts.verdict import Level, Signal
from probes.result import Clock, Failure, FailureReason, ProbeResult
from tests.alerts.rules.feed import START, START_SECONDS, Feed, judged, rating, session, target

EVERY = 60.0
# The longest that anything waits: the slowest short window, 36 min for an objective over 3 d, and its bucket.
LONG_ENOUGH = 36 + 7 + 30
RULES = ["outage", "certificate", "tls_grade", "burn_rate:availability", "burn_rate:latency:p99", "rule of old"]

STEPS = [0.0, 1.0, EVERY, EVERY, EVERY, EVERY, 300.0, -1.0, -59.0, -61.0, -1e6, 1e5, 1e12, 1e308, math.nan, math.inf]
WALLS = [
    START,
    START,
    START,
    START + timedelta(days=9),
    *(datetime(year, 6, 1, tzinfo=UTC) for year in (1, 1970, 9999)),
]
SHOTS: list[dict[str, Any]] = [
    {},
    {"duration_seconds": 2.0},
    {"duration_seconds": math.nan},
    *({"failure": Failure(reason, "")} for reason in (FailureReason.TIMEOUT, FailureReason.BODY)),
    {"failure": Failure(FailureReason.INTERNAL, "")},
    {"failure": Failure(FailureReason.CERTIFICATE, ""), "tls": session(-1)},
    *({"tls": session(days)} for days in (3, 15, 21, 90)),
    *({"tls": replace(session(1), not_after=end)} for end in (WALLS[-3], WALLS[-1])),
    *({"kind": "tls_grade", "grade": rating(letter)} for letter in ("A", "A", "B", "B", "F", "F", "?")),
    {"kind": "tls_grade", "failure": Failure(FailureReason.TIMEOUT, "")},
    {"target": "nobody"},
]
FLAGS: list[dict[str, Any]] = [
    {},
    {},
    {},
    *({flag: True} for flag in ("reprobe", "suspect", "stripped")),
    {"suspect": True, "stripped": True},
    {"reprobe": True, "suspect": True, "clock": Clock.KERNEL},
]


def history_of(events: list[tuple[float, dict[str, Any], dict[str, Any], datetime, int]]) -> list[ProbeResult]:
    """(seconds since the one before, what was seen, how it was made, wall clock, how often it is delivered)."""
    made: list[ProbeResult] = []
    seconds = START_SECONDS
    for step, shot, flags, wall, copies in events:
        at = seconds + step
        seconds = at if math.isfinite(at) else seconds
        usual: dict[str, Any] = {"target": "api", "region": "eu", "kind": "http", "duration_seconds": 0.05}
        made += [ProbeResult(started_at=wall, monotonic_seconds=at, **usual | shot | flags)] * copies
        made += made[-9:-8] if copies > 1 else []  # and an old one once more
    return made


histories = st.lists(
    st.tuples(
        st.sampled_from(STEPS) | st.floats(-1e4, 1e4),
        st.sampled_from(SHOTS),
        st.sampled_from(FLAGS),
        st.sampled_from(WALLS),
        st.sampled_from([1, 1, 1, 2, 7]),
    ),
    max_size=40,
).map(history_of)


def watched() -> Any:
    return target(
        every="60s",
        outage={"failures": 3, "for": "1m"},
        slo={"availability": "99.9%", "latency": {"p99": "1s"}, "window": "3d"},
        tls={"grade": "A"},
    )


def good_for_long(correlator: Correlator) -> list[Signal]:
    """Good answers, good certificates, one good scan at the end; on a clock of their own."""
    feed = Feed(every=EVERY)
    results = [feed.good(tls=session(365)) for _ in range(LONG_ENOUGH)]
    scan = feed.good(kind="tls_grade", grade=rating("A+"))
    return [signal for result in [*results, scan] for signal in correlator.observe([result])]


class Believer:
    """Believes signals, as the incident does, and checks that each tells it something."""

    def __init__(self) -> None:
        self.firing: dict[str, Level] = {}
        self.open = False

    def hear(self, signal: Signal) -> None:
        assert signal.target == "api"
        assert signal.fired or signal.recovered or (signal.all_clear and self.open)
        for verdict in signal.fired:
            assert verdict.firing
            assert above(verdict.level, self.firing.get(verdict.rule))
            self.firing[verdict.rule] = verdict.level
        for verdict in signal.recovered:
            assert not verdict.firing
            assert self.firing.pop(verdict.rule) is verdict.level
        assert signal.all_clear == (not self.firing)
        self.open = not signal.all_clear


def hear_all(believer: Believer, signals: Iterable[Signal]) -> None:
    for signal in signals:
        believer.hear(signal)


def in_batches(results: Sequence[ProbeResult], sizes: Sequence[int]) -> Iterable[Sequence[ProbeResult]]:
    left = list(results)
    for size in [*sizes, len(left)]:
        yield left[:size]
        del left[:size]


@settings(max_examples=300, deadline=None)
@given(histories, st.lists(st.integers(0, 9), max_size=9))
def test_fired_and_recovered_alternate_and_end_in_all_clear(history: list[ProbeResult], sizes: list[int]) -> None:
    correlator, believer = Correlator([watched()]), Believer()
    for batch in in_batches(history, sizes):
        signals = correlator.observe(batch)
        assert len(signals) <= 1
        hear_all(believer, signals)
        assert believer.firing == correlator.firing("api")
    hear_all(believer, good_for_long(correlator))
    assert not believer.open
    assert correlator.firing("api") == {}


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from(RULES), st.sampled_from(list(Level))), histories)
def test_whatever_is_restored_recovers(firing: dict[str, Level], history: list[ProbeResult]) -> None:
    correlator, believer = Correlator([watched()]), Believer()
    correlator.restore("api", firing)
    believer.firing, believer.open = dict(firing), True
    hear_all(believer, (signal for result in history for signal in correlator.observe([result])))
    hear_all(believer, good_for_long(correlator))
    assert not believer.open


@settings(max_examples=100, deadline=None)
@given(histories, histories)
def test_a_reload_loses_no_incident(before: list[ProbeResult], after: list[ProbeResult]) -> None:
    correlator, believer = Correlator([watched()]), Believer()
    hear_all(believer, (signal for result in before for signal in correlator.observe([result])))
    assert correlator.replace([target(every="30s")]) == ()
    hear_all(believer, (signal for result in after for signal in correlator.observe([result])))
    hear_all(believer, correlator.replace([]))
    assert not believer.open


minute_counts = st.builds(
    MinuteCounts,
    monotonic_seconds=st.floats(allow_nan=True, allow_infinity=True),
    total=st.integers(-10, 2**70),
    failed=st.integers(-10, 2**70),
    slow=st.dictionaries(st.sampled_from(["p99", "p5"]), st.integers(-10, 2**70)),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(minute_counts, max_size=20), histories)
def test_stored_counts_of_any_kind_do_no_harm(minutes: list[MinuteCounts], history: list[ProbeResult]) -> None:
    correlator, believer = Correlator([watched()]), Believer()
    correlator.preload("api", minutes)
    hear_all(believer, (signal for result in history for signal in correlator.observe([result])))
    hear_all(believer, good_for_long(correlator))
    assert not believer.open


def burn_rates() -> tuple[Rule, ...]:
    return build(watched())


@settings(max_examples=150, deadline=None)
@given(histories, st.lists(st.tuples(st.integers(0, 60), st.sampled_from(SHOTS)), max_size=60))
def test_reprobes_change_no_burn_rate(history: list[ProbeResult], beside: list[tuple[int, dict[str, Any]]]) -> None:
    """Wherever they come in: every verdict is the one that is given without them."""
    scheduled = [result for result in history if not result.reprobe]
    mixed = list(history)
    for place, shot in beside:
        at = mixed[place - 1].monotonic_seconds if 0 < place <= len(mixed) else START_SECONDS
        mixed.insert(place, replace(Feed().good(), reprobe=True, monotonic_seconds=at + 1, **shot))
    for without, with_them in zip(burn_rates(), burn_rates(), strict=True):
        verdicts = [verdict for _, verdict in judged(without.observe, scheduled)]
        assert [verdict for _, verdict in judged(with_them.observe, mixed)] == verdicts


suspects = st.lists(st.tuples(st.sampled_from([1.0, EVERY, 300.0]), st.floats(0, 100)), max_size=400)


@settings(max_examples=100, deadline=None)
@given(suspects)
def test_suspect_answers_alone_are_never_slow(answers: list[tuple[float, float]]) -> None:
    rules, at = burn_rates(), START_SECONDS
    for step, took in answers:
        at += step
        result = replace(Feed().good(took=took, suspect=True), monotonic_seconds=at)
        assert [rule.observe(result) for rule in rules] == [None, None]


# -- streaming against a recount of everything, with the same buckets --

events = st.lists(
    st.tuples(st.sampled_from([1.0, 10.0, 10.0, 10.0, 300.0, 4000.0, 90000.0]), st.booleans()), min_size=1, max_size=120
)
paces = st.builds(
    Pace,
    budget=st.sampled_from([0.0001, 0.001, 0.01, 0.1, 0.5]),
    slo_seconds=st.sampled_from([3600.0, 86400.0, 30 * 86400.0]),
    every_seconds=st.sampled_from([1.0, 10.0, 600.0]),
)


def recount(seen: list[tuple[float, bool]], window_seconds: float, bucket_seconds: float) -> tuple[int, int]:
    """All events, and bad ones, in the bucket of the newest and the full ones before it that make up a window."""
    full = math.ceil(round(window_seconds / bucket_seconds, 6))
    newest = seen[-1][0] // bucket_seconds
    inside = [bad for at, bad in seen if newest - at // bucket_seconds <= full]
    return len(inside), sum(inside)


@settings(max_examples=300, deadline=None)
@given(events, paces)
def test_windows_equal_a_recount(steps: list[tuple[float, bool]], pace: Pace) -> None:
    windows = BudgetWindows(pace)
    seen: list[tuple[float, bool]] = []
    now = 0.0
    for step, bad in steps:
        now += step
        seen.append((now, bad))
        if bad:
            windows.add(now, 1, 1)
        else:
            windows.keep_good(now)
    windows.add(now, 0, 0)
    for watch in windows.watches:
        row, counts = watch.window, watch.counts
        assert (counts.long_total, counts.long_bad) == recount(seen, row.long_seconds, row.bucket_seconds)
        assert (counts.short_total, counts.short_bad) == recount(seen, row.short_seconds, row.bucket_seconds)


@settings(max_examples=150, deadline=None)
@given(events, st.sampled_from(["99.9%", "99%", "90%"]))
def test_begins_to_fire_where_a_recount_of_everything_does(steps: list[tuple[float, bool]], availability: str) -> None:
    [rule] = build(target(slo={"availability": availability}))
    pace = Pace(budget=round(1 - float(availability[:-1]) / 100, 12), slo_seconds=30 * 86400.0, every_seconds=10.0)
    rows = [watch.window for watch in BudgetWindows(pace).watches]
    feed, seen, fired_at, expected_at = Feed(), [], None, None
    now = 0.0
    for number, (step, bad) in enumerate(steps):
        if number:
            now += step
            feed.seconds = START_SECONDS + now
        seen.append((now, bad))
        verdict = rule.observe(feed.bad() if bad else feed.good())
        for row in rows if bad and expected_at is None else ():
            long_total, long_bad = recount(seen, row.long_seconds, row.bucket_seconds)
            short_total, short_bad = recount(seen, row.short_seconds, row.bucket_seconds)
            long_burn = long_bad / max(long_total, row.long_seconds / 10) / pace.budget
            short_burn = short_bad / max(short_total, row.short_seconds / 10) / pace.budget
            if long_bad >= LEAST_BAD_EVENTS and min(long_burn, short_burn) >= row.factor - 1e-9:
                expected_at = number
        if verdict is not None and fired_at is None:
            fired_at = number
    assert fired_at == expected_at
