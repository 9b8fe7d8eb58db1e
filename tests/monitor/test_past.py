"""After a restart the burn windows know what the store has counted."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from alerts.correlate import Correlator
from alerts.incident import IncidentState
from monitor.clock import ManualClock
from monitor.past import preload
from monitor.store import History, Store
from probes.options import Slo
from probes.result import Failure, FailureReason
from probes.target import Target
from tests.support.incidents import saved
from tests.support.results import result_at

API = Target(name="api", url="http://api.example/", slo=Slo(availability=0.999))


async def history_of(store: Store, clock: ManualClock, minutes: int, failing: int) -> None:
    """A result every 10 s for `minutes`; in each minute the first `failing` of its six fail."""
    history = History(store, clock, [API])
    for number in range(minutes * 6):
        clock.advance(10)
        result = result_at(clock.now(), monotonic_seconds=clock.monotonic())
        bad = replace(result, failure=Failure(FailureReason.STATUS, "500"))
        history.add([bad if number % 6 < failing else result])
    await history.close()


async def test_bad_minutes_of_before_count_with_the_next_bad_result(store: Store) -> None:
    clock = ManualClock()
    await history_of(store, clock, minutes=70, failing=1)  # 17 % of errors: far over 14.4 times a budget of 0.1 %
    fresh, knowing = Correlator([API]), Correlator([API])
    await preload(knowing, store, (API,), "eu", clock)
    clock.advance(10)
    bad = replace(
        result_at(clock.now(), monotonic_seconds=clock.monotonic()), failure=Failure(FailureReason.STATUS, "500")
    )
    assert fresh.observe([bad]) == ()
    (signal,) = knowing.observe([bad])
    assert signal.fired[0].rule == "burn_rate:availability"


async def test_good_minutes_of_before_let_one_bad_result_be(store: Store) -> None:
    clock = ManualClock()
    await history_of(store, clock, minutes=70, failing=0)
    correlator = Correlator([API])
    await preload(correlator, store, (API,), "eu", clock)
    clock.advance(timedelta(seconds=10).total_seconds())
    bad = replace(
        result_at(clock.now(), monotonic_seconds=clock.monotonic()), failure=Failure(FailureReason.STATUS, "500")
    )
    assert correlator.observe([bad]) == ()


async def test_what_was_resolved_in_this_region_is_not_brought_up_again(store: Store) -> None:
    """Nor does an open incident bring it back; what was resolved elsewhere changes nothing."""
    clock = ManualClock()
    await history_of(store, clock, minutes=70, failing=1)
    at = clock.now() - timedelta(minutes=1)
    await saved(store, region="us", opened_at=at, resolved_at=at, state=IncidentState.RESOLVED)
    assert await burns_after_a_restart(store, clock)
    await saved(store, region="eu", opened_at=at, resolved_at=at, state=IncidentState.RESOLVED)
    await saved(store, region="eu", opened_at=clock.now())
    assert not await burns_after_a_restart(store, clock)


async def burns_after_a_restart(store: Store, clock: ManualClock) -> bool:
    """Whether one bad result makes a daemon fire that was started now."""
    correlator = Correlator([API])
    await preload(correlator, store, (API,), "eu", clock)
    clock.advance(10)
    made = result_at(clock.now(), monotonic_seconds=clock.monotonic())
    return correlator.observe([replace(made, failure=Failure(FailureReason.STATUS, "500"))]) != ()


async def test_a_target_that_is_probed_once_a_year_is_no_trouble(store: Store) -> None:
    rare = API.model_copy(update={"every": timedelta(days=366)})
    await preload(Correlator([rare]), store, (rare,), "eu", ManualClock())
