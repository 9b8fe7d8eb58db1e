from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from monitor.clock import ManualClock
from monitor.store import Histogram, History, HistoryStats, MinuteRollup, Store, open_store
from monitor.store.history import thresholds_of
from probes.result import Clock, Failure, FailureReason, HttpFacts, Phase, ProbeResult
from probes.target import Target
from tests.support.stores import stuck

CLOCK = ManualClock()
MIDNIGHT = CLOCK.now()
API = Target.model_validate({"name": "api", "url": "http://api.example", "slo": {"latency": {"p99": "400ms"}}})
TOO_BIG = HttpFacts(status_code=2**70, version="1.1", redirects=0, body_bytes=0, content_length=-1)
DOWN = Failure(FailureReason.REFUSED, "connection refused")


def result(second: float, duration: float = 0.1, failure: Failure | None = None, **changes: Any) -> ProbeResult:
    probed = ProbeResult(
        target="api",
        region="eu",
        kind="http",
        started_at=MIDNIGHT + timedelta(seconds=second),
        monotonic_seconds=second,
        duration_seconds=duration,
        failure=failure,
    )
    return replace(probed, **changes)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def history(store: Store, clock: ManualClock) -> History:
    return History(store, clock, [API])


async def api_minutes(store: Store, region: str = "eu") -> list[MinuteRollup]:
    return await store.minutes("api", region, MIDNIGHT - timedelta(days=1))


async def test_a_raw_result_is_kept_as_it_was(store: Store, history: History) -> None:
    history.add(
        [
            result(
                1,
                0.25,
                Failure(FailureReason.STATUS, "x" * 600 + "\x00"),
                phases=((Phase.RESOLVE, 0.001), (Phase.CONNECT, 0.002)),
                late_seconds=0.5,
                address="192.0.2.1",
                http=HttpFacts(status_code=503, version="1.1", redirects=0, body_bytes=0, content_length=-1),
            )
        ]
    )
    assert await store.results() == []
    assert await history.flush()
    (raw,) = await store.results(target="api", since=MIDNIGHT)
    assert (raw.target, raw.region, raw.kind) == ("api", "eu", "http")
    assert (raw.started_at, raw.duration_seconds, raw.late_seconds) == (MIDNIGHT + timedelta(seconds=1), 0.25, 0.5)
    assert raw.phases == {"resolve": 0.001, "connect": 0.002}
    assert (raw.reason, raw.detail, raw.status_code, raw.address) == ("status", "x" * 500, 503, "192.0.2.1")
    assert await store.results(target="web") == await store.results(since=MIDNIGHT + timedelta(seconds=2)) == []


async def test_a_raw_result_says_how_it_was_made(store: Store, history: History) -> None:
    made: list[dict[str, Any]] = [{}, {"clock": Clock.KERNEL}, {"reprobe": True}, {"suspect": True, "reprobe": True}]
    history.add([result(second, **how) for second, how in enumerate(made)])
    await history.flush()
    kept = [(raw.clock, raw.reprobe, raw.suspect) for raw in reversed(await store.results())]
    user, kernel = Clock.USER, Clock.KERNEL
    assert kept == [(user, False, False), (kernel, False, False), (user, True, False), (user, True, True)]


async def test_of_a_stripped_result_only_the_minute_tells(store: Store, history: History) -> None:
    history.add([result(0, stripped=True), result(1, 0.5, stripped=True), result(2, failure=DOWN, stripped=True)])
    await history.close()
    assert await store.results() == []
    (minute,) = await api_minutes(store)
    assert (minute.total, minute.failed, minute.slow) == (3, 1, {"p99": 1})


async def test_what_is_suspect_is_not_slow_and_reprobes_are_no_part_of_a_minute(store: Store, history: History) -> None:
    history.add([result(0, 0.5, suspect=True), result(1, suspect=True), result(2, 0.5), result(3, 0.5, reprobe=True)])
    await history.close()
    (minute,) = await api_minutes(store)
    assert (minute.total, minute.slow, minute.suspect) == (3, {"p99": 1}, {"p99": 1})
    assert minute.histogram == Histogram.of([0.5])
    assert len(await store.results()) == 4


async def test_a_minute_is_counted_when_it_is_over(store: Store, history: History, clock: ManualClock) -> None:
    history.add([result(0), result(10, 0.5), result(20, 3.0, DOWN), result(59.9, 0.2)])
    clock.advance(65)
    await history.flush()
    assert await api_minutes(store) == []
    clock.advance(5)
    await history.flush()
    (minute,) = await api_minutes(store)
    assert (minute.minute, minute.total, minute.failed, minute.slow) == (MIDNIGHT, 4, 1, {"p99": 1})
    assert minute.histogram == Histogram.of([0.1, 0.5, 0.2])


async def test_a_result_that_comes_late_is_counted(store: Store, history: History, clock: ManualClock) -> None:
    clock.advance(120)
    for second in (0, 30):
        history.add([result(second)])
        await history.flush()
    assert [minute.total for minute in await api_minutes(store)] == [2]


async def test_our_own_failures_and_grade_scans_are_not_the_services(store: Store, history: History) -> None:
    history.add([result(0, failure=Failure(FailureReason.INTERNAL, "defect")), result(1, 9, kind="tls_grade")])
    await history.close()
    assert await api_minutes(store) == []
    assert len(await store.results()) == 2


async def test_minutes_are_of_their_target_and_region(store: Store, history: History) -> None:
    history.add([result(0), result(0, region="us"), result(0, target="web"), result(61, target="web")])
    await history.close()
    since = MIDNIGHT + timedelta(seconds=59)
    assert [minute.region for minute in await api_minutes(store, "us")] == ["us"]
    assert [(row.target, row.total) for row in await store.minutes(None, "eu", since)] == [
        ("api", 1),
        ("web", 1),
        ("web", 1),
    ]
    assert await store.minutes("api", "eu", MIDNIGHT + timedelta(minutes=1)) == []


async def test_a_crash_loses_no_minute_whose_results_were_written(store: Store, clock: ManualClock) -> None:
    await store.write_results([result(0), result(70), result(3600)])  # and then it was killed
    restarted = History(store, clock, [API])
    assert await restarted.recover("eu") == 3
    once = await api_minutes(store)
    assert [minute.total for minute in once] == [1, 1, 1]
    assert await restarted.recover("eu") == 1, "only from a little before the newest minute on"
    assert await api_minutes(store) == once
    assert await restarted.recover("us") == 0


async def test_a_minute_that_a_crash_cut_in_two_is_counted_whole(store: Store, clock: ManualClock) -> None:
    await store.write_results([result(0)])  # and then it was killed
    restarted = History(store, clock, [API])
    await restarted.recover("eu")
    restarted.add([result(30)])
    clock.advance(70)
    await restarted.flush()
    assert [minute.total for minute in await api_minutes(store)] == [2]


async def test_writing_twice_is_writing_once(store: Store) -> None:
    await store.write_results([result(0), result(1)])
    await store.write_results([result(1), result(2)])
    await store.write_results([])
    assert len(await store.results()) == 3


async def test_a_clock_that_was_set_back_holds_no_minute_up(store: Store, history: History, clock: ManualClock) -> None:
    history.add([result(0)])
    clock.step_wall(-86_400)
    await history.flush()
    assert [minute.total for minute in await api_minutes(store)] == [1]


async def test_new_objectives_hold_from_the_next_minute_that_is_counted(store: Store, history: History) -> None:
    history.replace([])
    history.add([result(0, 0.5)])
    await history.close()
    assert [minute.slow for minute in await api_minutes(store)] == [{}]


def test_only_latency_objectives_have_thresholds() -> None:
    slo = {"availability": "99.9%", "latency": {"p50": "100ms", "p99": "1s"}}
    both = Target.model_validate({"name": "both", "url": "http://x", "slo": slo})
    none = Target.model_validate({"name": "none", "url": "http://x"})
    assert thresholds_of([both, none]) == {"both": (("p50", 0.1), ("p99", 1.0))}


async def test_results_wait_while_the_store_is_stuck_and_the_oldest_go(store_url: str, clock: ManualClock) -> None:
    store = await open_store(store_url, lock_seconds=0.1)
    history = History(store, clock, [API], capacity=3)
    async with stuck(store_url):
        history.add([result(second) for second in range(5)])
        assert not await history.flush()
    assert history.stats() == HistoryStats(buffered=3, written=0, dropped=2, failed_flushes=1)
    assert await history.flush()
    assert [raw.started_at.second for raw in await store.results()] == [4, 3, 2]
    assert history.stats() == HistoryStats(buffered=0, written=3, dropped=2, failed_flushes=1)
    await store.close()


async def test_a_flush_that_is_cancelled_loses_nothing(store_url: str, clock: ManualClock) -> None:
    store = await open_store(store_url, lock_seconds=1)
    history = History(store, clock, [API])
    history.add([result(0)])
    async with stuck(store_url):
        flush = asyncio.create_task(history.flush())
        await asyncio.wait([flush], timeout=0.2)
        assert not flush.done(), "it waits for the other writer"
        flush.cancel()
        await asyncio.wait([flush])
    history.add([result(1)])
    assert await history.flush()
    assert len(await store.results()) == 2
    await store.close()


async def test_a_result_that_no_database_takes_is_counted_and_passed_over(store: Store, history: History) -> None:
    history.add([result(0, http=TOO_BIG)])
    assert await history.flush()
    history.add([result(1)])
    assert await history.flush()
    assert history.stats() == HistoryStats(buffered=0, written=1, dropped=1, failed_flushes=0)
