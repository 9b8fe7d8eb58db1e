"""What goes on beside the path of a result: history to disk, figures for metrics and page, retention, the clock."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from monitor.store import StoreUnavailable

if TYPE_CHECKING:
    from alerts.incident import Incident
    from monitor.clock import Clock
    from monitor.delivery import Delivery
    from monitor.live import Live
    from monitor.metrics import Metrics
    from monitor.pipeline import Pipeline
    from monitor.settings import Retention
    from monitor.store import History, Store
    from probes.engine.pool import WorkerPool

log = structlog.get_logger()

Step = Callable[[], Awaitable[object]]

# What others did to the store is seen this late. What this process does, its pages above all, waits for none of it.
TICK_SECONDS = 1.0
INCIDENTS_EVERY_SECONDS = 2.0
HISTORY_EVERY_SECONDS = 2.0
OUTBOX_EVERY_SECONDS = 5.0
PRUNE_EVERY_SECONDS = 600.0
CLOCK_STEP = timedelta(seconds=1)  # NTP slews what is less


class ClockWatch:
    """Tells when the wall clock was set: when it and the monotonic clock no longer agree on what time has passed."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._offset = self._now_offset()

    def _now_offset(self) -> timedelta:
        return timedelta(seconds=self._clock.now().timestamp() - self._clock.monotonic())

    def step(self) -> timedelta | None:
        """How far the wall clock was set since the last call, forward positive; None when it was not."""
        offset = self._now_offset()
        step, self._offset = offset - self._offset, offset  # what is slewed between two calls never adds up to a step
        return None if abs(step) < CLOCK_STEP else step


class Housekeeping:
    """Goes on until it is cancelled; nothing that goes wrong ends it."""

    def __init__(
        self,
        *,
        store: Store,
        history: History,
        pipeline: Pipeline,
        delivery: Delivery,
        pool: WorkerPool,
        metrics: Metrics,
        live: Live,
        clock: Clock,
        region: str,
        retention: Callable[[], Retention],
    ) -> None:
        self._store = store
        self._history = history
        self._pipeline = pipeline
        self._delivery = delivery
        self._pool = pool
        self._metrics = metrics
        self._live = live
        self._clock = clock
        self._region = region
        self._retention = retention
        self._watch = ClockWatch(clock)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as loops:
            for seconds, step in self._steps():
                loops.create_task(_every(seconds, step))
            # Beside the others: after days without the daemon, or with a shorter retention, it takes minutes.
            loops.create_task(_every(PRUNE_EVERY_SECONDS, self._remove_what_is_old))

    async def tick(self) -> None:
        """Each of the steps once, one after the other."""
        for _seconds, step in self._steps():
            await _survive(step)

    def _steps(self) -> tuple[tuple[float, Step], ...]:
        return (
            (TICK_SECONDS, self._show_parts),
            (INCIDENTS_EVERY_SECONDS, self.show_incidents),
            (OUTBOX_EVERY_SECONDS, self._show_outbox),
            (HISTORY_EVERY_SECONDS, self._history.flush),
        )

    async def _show_parts(self) -> None:
        self._look_at_clock()
        self._metrics.set_pool(self._pool.stats())
        self._metrics.set_pages(self._delivery.stats)
        self._metrics.set_history_dropped(self._history.stats().dropped)

    async def _show_outbox(self) -> None:
        self._metrics.set_outbox(await self._store.outbox_stats(self._clock.now()))

    async def show_incidents(self) -> None:
        """Metrics and page see what is open; the pipeline sees what people resolved by hand."""
        incidents = await self._pipeline.sync(self._read_open)
        self._metrics.set_incidents(incidents)
        self._live.set_incidents(incidents)

    async def _read_open(self) -> list[Incident]:
        incidents = await self._store.incidents(open_only=True, limit=100_000)
        return [incident for incident in incidents if incident.region == self._region]

    def _look_at_clock(self) -> None:
        step = self._watch.step()
        if step is not None:
            self._metrics.set_clock_step(step.total_seconds())
            log.warning("the wall clock was set; windows and intervals go on", by_seconds=step.total_seconds())

    async def _remove_what_is_old(self) -> None:
        retention = self._retention()
        removed = await self._store.prune(self._clock.now(), retention.results, retention.minutes)
        log.debug("old history was removed", removed=str(removed))


async def _every(seconds: float, step: Step) -> None:
    while True:
        await _survive(step)
        await asyncio.sleep(seconds)


async def _survive(step: Step) -> None:
    """A step that fails must not keep the others, or the daemon, from going on."""
    try:
        await step()
    except StoreUnavailable as error:
        log.warning("the store does not answer", error=str(error))
    except Exception:
        log.exception("a defect in the housekeeping; trying again")
