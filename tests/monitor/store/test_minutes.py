"""Minutes added up in the database are the same minutes."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

from monitor.clock import ManualClock
from monitor.store import History, Store
from probes.result import Failure, FailureReason
from probes.target import Target
from tests.support.results import result_at

API = Target.model_validate({"name": "api", "url": "http://api.example", "slo": {"latency": {"p99": "400ms"}}})
MINUTES = 200
FINENESS = [(timedelta(minutes=20), timedelta(seconds=20)), (timedelta(minutes=150), timedelta(minutes=10))]


async def test_sums_have_every_minute_once_and_are_as_fine_as_asked(store: Store) -> None:
    clock = ManualClock()
    history = History(store, clock, [API])
    for number in range(MINUTES * 2):
        clock.advance(30)
        failure = Failure(FailureReason.STATUS, "500") if number % 7 == 0 else None
        history.add([result_at(clock.now(), duration_seconds=0.5 if number % 3 else 0.1, failure=failure)])
    await history.close()

    now = clock.now()
    since = now - timedelta(minutes=100)
    for start, oldest in ((since, since), (now - timedelta(days=1), now - FINENESS[-1][0])):
        sums = await store.minute_sums("api", "eu", start, now, FINENESS, ["p99", "p50"])
        expected = [each for each in await store.minutes("api", "eu", oldest) if each.minute >= oldest]
        assert sum(each.total for each in sums) == sum(each.total for each in expected)
        assert sum(each.failed for each in sums) == sum(each.failed for each in expected)
        slow = sum((Counter(each.slow) for each in sums), Counter())
        assert slow == sum((Counter(each.slow) for each in expected), Counter())
        fine = [each for each in sums if each.minute >= now - FINENESS[0][0]]
        assert [each.minute for each in fine] == [each.minute for each in expected[-len(fine) :]]
        assert len(fine) >= 20
        assert len(sums) - len(fine) <= len(expected) / 10 + 1
    assert await store.minute_sums("api", "us", since, now, FINENESS, ["p99"]) == []
