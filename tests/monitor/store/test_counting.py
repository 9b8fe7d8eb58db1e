"""Minutes counted in memory are the minutes that reading every raw result again gives, whatever happens between."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.rules import MinuteCounts
from alerts.rules.objective import objectives
from monitor.clock import ManualClock
from monitor.store import Histogram, History, MinuteRollup, Store, StoreUnavailable, history, sqlite_url
from monitor.store.address import parse_address
from monitor.store.counting import OpenMinutes
from monitor.store.database import connect
from monitor.store.history import thresholds_of
from monitor.store.rollup import Tally, minute_of
from monitor.store.series import SeriesKey
from monitor.store.tables import minutes
from probes.result import Failure, FailureReason, ProbeResult
from probes.target import Target
from tests.support.results import result_at

SLO = {"availability": "99%", "latency": {"p50": "100ms", "p99": "400ms"}}
API = Target.model_validate({"name": "api", "url": "http://api.example", "slo": SLO})
LONG_AGO = ManualClock().now() - timedelta(days=9)
FAILURES = (None, None, FailureReason.STATUS, FailureReason.INTERNAL)

flags = st.fixed_dictionaries({}, optional={"suspect": st.booleans(), "reprobe": st.booleans()})
stripped = st.fixed_dictionaries({}, optional={"suspect": st.booleans(), "stripped": st.booleans()})


def probes(made: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[tuple[Any, ...]]:
    """(seconds ago, target, duration, failure, how it was made)."""
    ago = st.integers(0, 5) | st.integers(0, 200)
    took = st.sampled_from([0.05, 0.1, 0.25, 3.0])
    return st.tuples(ago, st.sampled_from(["api", "web"]), took, st.sampled_from(FAILURES), made)


def scripts(made: st.SearchStrategy[dict[str, Any]], *more: str) -> st.SearchStrategy[list[tuple[str, Any]]]:
    """What happens, in order. `lost` is the answer of a write that was done; `lost minutes` of that of minutes."""
    flushes = st.sampled_from(["flush", "flush", "lost", "lost minutes", "cancelled", *more])
    return st.lists(
        st.tuples(st.just("add"), st.lists(probes(made), max_size=8))
        | st.tuples(st.just("pass"), st.sampled_from([1, 10, 65]))
        | st.tuples(flushes, st.none()),
        max_size=30,
    )


class Unsure(Store):
    """A store that may do what it is asked and then not say so."""

    lost = ""
    error: type[BaseException] = StoreUnavailable

    async def write_results(self, batch: Sequence[ProbeResult]) -> None:
        await super().write_results(batch)
        self._lose("results")

    async def add_to_minute(self, minute: datetime, tallies: Mapping[SeriesKey, Tally]) -> None:
        await super().add_to_minute(minute, tallies)
        self._lose("minutes")

    def _lose(self, what: str) -> None:
        if self.lost == what:
            self.lost = ""
            raise StoreUnavailable("a test", "the answer was lost") if self.error is StoreUnavailable else self.error


class Player:
    """A history that a script happens to. `taken` is every result that it was given."""

    def __init__(self, store: Unsure) -> None:
        self.store = store
        self.clock = ManualClock()
        self.history = History(store, self.clock, [API])
        self.taken: list[ProbeResult] = []

    async def run(self, what: str, argument: Any) -> None:
        match what:
            case "add":
                self.history.add([self._result(*probe) for probe in argument])
            case "pass":
                self.clock.advance(argument)
            case "back":
                self.clock.step_wall(-100)
            case "crash":
                self.history = History(self.store, self.clock, [API])
                await self.history.recover("eu")
            case _:
                self.store.lost = {"lost": "results", "cancelled": "results", "lost minutes": "minutes"}.get(what, "")
                self.store.error = asyncio.CancelledError if what == "cancelled" else StoreUnavailable
                try:
                    await self.history.flush()
                except asyncio.CancelledError:
                    assert what == "cancelled"
                self.store.lost = ""

    def _result(self, ago: int, target: str, took: float, reason: FailureReason | None, made: dict[str, Any]) -> Any:
        at = self.clock.now() - timedelta(seconds=ago, microseconds=len(self.taken))  # no two at the same time
        failure = None if reason is None else Failure(reason, "seen")
        result = replace(result_at(at, target=target), duration_seconds=took, failure=failure, **made)
        self.taken.append(result)
        return result

    async def counted(self) -> list[MinuteRollup]:
        return await self.store.minutes(None, "eu", LONG_AGO)

    async def read_again(self) -> list[MinuteRollup]:
        async with self.store._write() as connection:
            await connection.execute(sa.delete(minutes))
        await History(self.store, self.clock, [API]).recover("eu")
        return await self.counted()


async def play(template: Path, script: list[tuple[str, Any]], *, again: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "monitor.sqlite"
        shutil.copy(template, path)
        address = parse_address(sqlite_url(path))
        opened = Unsure(address, *connect(address, lock_seconds=10))
        player = Player(opened)
        try:
            for what, argument in script:
                await player.run(what, argument)
            assert await player.history.close()
            counted = await player.counted()
            assert counted == (await player.read_again() if again else expected(player.taken))
        finally:
            await opened.close()


def expected(results: list[ProbeResult]) -> list[MinuteRollup]:
    """What the words of MinuteRollup say, by hand."""
    groups: dict[tuple[datetime, str], list[ProbeResult]] = {}
    for result in results:
        of_service = result.failure is None or result.failure.reason is not FailureReason.INTERNAL
        if of_service and not result.reprobe:
            groups.setdefault((minute_of(result.started_at), result.target), []).append(result)
    return [_rollup(minute, target, group) for (minute, target), group in sorted(groups.items())]


def _rollup(minute: datetime, target: str, group: list[ProbeResult]) -> MinuteRollup:
    good = [result for result in group if result.ok]
    limits = SLO["latency"] if target == "api" else {}
    assert isinstance(limits, dict)
    slow: dict[bool, Counter[str]] = {True: Counter(), False: Counter()}
    for result in good:
        late = [name for name, limit in limits.items() if result.duration_seconds > int(limit[:-2]) / 1000]
        slow[result.suspect].update(late)
    return MinuteRollup(
        target=target,
        region="eu",
        minute=minute,
        total=len(group),
        failed=len(group) - len(good),
        slow=slow[False],
        suspect=slow[True],
        histogram=Histogram.of(result.duration_seconds for result in good if not result.suspect),
    )


@settings(max_examples=60)
@given(script=scripts(flags, "crash"))
def test_counted_is_as_read_again_whatever_crashes(sqlite_template: Path, script: list[tuple[str, Any]]) -> None:
    asyncio.run(play(sqlite_template, script, again=True))


@settings(max_examples=60)
@given(script=scripts(flags, "back"))
def test_counted_is_as_read_again_whatever_the_clock_does(sqlite_template: Path, script: list[tuple[str, Any]]) -> None:
    asyncio.run(play(sqlite_template, script, again=True))


@settings(max_examples=60)
@given(script=scripts(stripped, "back"))
def test_stripped_results_are_counted_like_others(sqlite_template: Path, script: list[tuple[str, Any]]) -> None:
    """No raw result tells of them, so what is counted is compared with what it should be."""
    asyncio.run(play(sqlite_template, script, again=False))


@given(st.lists(probes(flags), max_size=50))
def test_a_minute_tells_a_burn_rate_what_its_results_did(seen: list[tuple[Any, ...]]) -> None:
    """Events and bad ones of each objective: before a restart by the results, after it by the minute."""
    at = ManualClock().now()
    results = [
        replace(
            result_at(at + timedelta(microseconds=number)),
            duration_seconds=took,
            failure=reason and Failure(reason, "seen"),
            **made,
        )
        for number, (_ago, _target, took, reason, made) in enumerate(seen)
    ]
    open_minutes = OpenMinutes(thresholds_of([API]))
    open_minutes.add(results)
    tally = open_minutes.some_of(at, 1).get(("api", "eu", "http"), Tally())
    minute = MinuteCounts(
        monotonic_seconds=0, total=tally.total, failed=tally.failed, slow=tally.slow, suspect=tally.suspect
    )
    for objective in objectives(API):
        judged = [objective.bad(result) for result in results if not result.reprobe]
        events = [bad for bad in judged if bad is not None]
        assert objective.of_minute(minute) == (len(events), sum(events))


async def test_memory_is_bounded_even_by_series_without_end(store: Store, monkeypatch: Any) -> None:
    monkeypatch.setattr(history, "MOST_TALLIES", 10)
    monkeypatch.setattr(history, "BATCH_ROWS", 7)
    monkeypatch.setattr(history, "MINUTE_ROWS", 3)
    clock = ManualClock()
    kept = History(store, clock)
    kept.add([result_at(clock.now() + timedelta(seconds=number), target=f"t{number % 25}") for number in range(50)])
    assert await kept.flush()
    assert len(kept._minutes) <= 17
    assert await kept.close()
    assert len(kept._minutes) == 0
    assert [(minute.target, minute.total) for minute in await store.minutes(None, "eu", LONG_AGO)] == [
        (f"t{number}", 2) for number in sorted(range(25), key=str)
    ]


async def test_a_minute_is_not_lowered_when_its_raw_results_are_gone(store: Store) -> None:
    clock = ManualClock()
    kept = History(store, clock)
    kept.add([result_at(clock.now() + timedelta(seconds=second), stripped=second > 0) for second in range(5)])
    await kept.close()
    assert len(await store.results()) == 1
    await History(store, clock).recover("eu")
    assert [minute.total for minute in await store.minutes(None, "eu", LONG_AGO)] == [5]
