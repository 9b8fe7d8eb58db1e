from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
import sqlalchemy as sa

from monitor.clock import ManualClock
from monitor.delivery import Delivery
from monitor.housekeeping import ClockWatch, Housekeeping
from monitor.live import Live
from monitor.metrics import Metrics
from monitor.pipeline import Pipeline
from monitor.settings import Retention
from monitor.store import History, Store
from monitor.store.tables import incidents
from probes.engine.pool import WorkerPool
from tests.support.incidents import saved
from tests.support.results import result_at
from tests.support.wait import auntil


async def _nobody_responds(*_: object) -> None:
    raise AssertionError("no signal is expected")


def housekeeping(store: Store, clock: ManualClock, history: History) -> Housekeeping:
    return Housekeeping(
        store=store,
        history=history,
        pipeline=Pipeline((), respond=_nobody_responds, observers=(), on_commit=lambda: None, on_open=lambda _: None),
        delivery=Delivery(store, {}, clock, "test"),
        pool=WorkerPool((), "eu"),
        metrics=Metrics((), region="eu"),
        live=Live(()),
        clock=clock,
        region="eu",
        retention=lambda: Retention(results=timedelta(hours=1)),
    )


async def test_an_incident_that_cannot_be_read_stops_neither_history_nor_the_daemon(store: Store) -> None:
    clock = ManualClock()
    history = History(store, clock)
    broken = await saved(store)
    async with store._write() as connection:
        await connection.execute(sa.update(incidents).where(incidents.c.id == broken.id).values(firing=[{"rule": 1}]))
    history.add([result_at(clock.now())])
    await housekeeping(store, clock, history).tick()
    assert history.stats().written == 1


@pytest.mark.parametrize("store_kind", ["sqlite"], indirect=True)
async def test_it_writes_history_and_removes_what_is_old_until_it_is_cancelled(store: Store) -> None:
    clock = ManualClock()
    history = History(store, clock)
    history.add([result_at(clock.now() - timedelta(hours=2))])
    await history.flush()
    history.add([result_at(clock.now())])
    running = asyncio.create_task(housekeeping(store, clock, history).run())

    async def only_the_new_one() -> bool:
        return [result.started_at for result in await store.results()] == [clock.now()]

    await auntil(only_the_new_one, what="the new result alone")
    running.cancel()
    await asyncio.wait([running])
    assert running.cancelled()


def test_time_that_passes_is_no_step() -> None:
    clock = ManualClock()
    watch = ClockWatch(clock)
    for _ in range(10_000):
        clock.advance(1.0)
        clock.step_wall(0.0005)  # what NTP slews in a second: 5 s in all
        assert watch.step() is None


def test_a_clock_that_is_set_is_told_once_with_how_far() -> None:
    clock = ManualClock()
    watch = ClockWatch(clock)
    for seconds in (3600.0, -7200.0):
        clock.advance(5)
        clock.step_wall(seconds)
        step = watch.step()
        assert step is not None
        assert step.total_seconds() == seconds
        assert watch.step() is None
