"""History beside the path of a result: taken in at once, written in batches, never in the way of an incident."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog

from monitor.clock import Clock
from monitor.store.counting import OpenMinutes
from monitor.store.errors import StoreUnavailable, cause_of
from monitor.store.rollup import MINUTE, Thresholds
from monitor.store.store import Store
from probes.result import ProbeResult
from probes.target import Target

log = structlog.get_logger(__name__)

CAPACITY = 50_000  # results in memory while the store is down: some 50 MB
BATCH_ROWS = 2000  # results a transaction
# How long after its end a minute is stored: its last probes must have ended and been written.
GRACE = timedelta(seconds=10)
MINUTE_ROWS = 500  # series a transaction
MOST_TALLIES = 100_000  # some 50 MB; more than the open minutes of 30,000 targets


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryStats:
    buffered: int
    written: int
    dropped: int  # lost: the store was down for too long, or refused them for good
    failed_flushes: int


def thresholds_of(targets: Iterable[Target]) -> dict[str, Thresholds]:
    """What is slow, for each target that has latency objectives."""
    with_slo = ((target.name, target.slo) for target in targets if target.slo is not None)
    return {
        name: tuple((objective, seconds) for objective, _share, seconds in slo.latency.objectives())
        for name, slo in with_slo
    }


class History:
    def __init__(self, store: Store, clock: Clock, targets: Iterable[Target] = (), *, capacity: int = CAPACITY) -> None:
        self._store = store
        self._clock = clock
        self._capacity = capacity
        self._buffer: deque[ProbeResult] = deque()
        self._minutes = OpenMinutes(thresholds_of(targets))
        self._flushing = asyncio.Lock()
        self._waiting = False  # for a store that did not work at the last flush
        self._written = self._dropped = self._failed_flushes = 0

    def replace(self, targets: Iterable[Target]) -> None:
        """The settings were read anew; minutes that begin from now on use the new objectives."""
        self._minutes.thresholds = thresholds_of(targets)

    def add(self, batch: Sequence[ProbeResult]) -> None:
        """Take results in, in memory only. When there are too many, the oldest go, and are counted."""
        self._buffer.extend(batch)
        self._trim()

    def _trim(self) -> None:
        while len(self._buffer) > self._capacity:
            self._buffer.popleft()
            self._dropped += 1

    async def flush(self) -> bool:
        """Write what was added, and the minutes that are over. False: the store is down, and all is kept."""
        return await self._flush(everything=False)

    async def close(self) -> bool:
        """`flush`, and write the minutes that are not over, too."""
        return await self._flush(everything=True)

    async def _flush(self, *, everything: bool) -> bool:
        async with self._flushing:
            try:
                await self._write()
                await self._roll(everything=everything)
            except StoreUnavailable as error:
                self._failed_flushes += 1
                if not self._waiting:  # once an outage, not once a second
                    log.warning("history waits for the store", cause=error.cause, buffered=len(self._buffer))
                self._waiting = True
                return False
            if self._waiting:
                log.info("history is written again", dropped=self._dropped)
            self._waiting = False
            return True

    async def _write(self) -> None:
        while self._buffer:
            if len(self._minutes) > MOST_TALLIES:
                await self._roll(everything=True)
            batch = [self._buffer.popleft() for _ in range(min(BATCH_ROWS, len(self._buffer)))]
            try:
                await self._store.write_results(batch)
            except (StoreUnavailable, asyncio.CancelledError):  # it may be written, or not: twice is harmless
                self._buffer.extendleft(reversed(batch))
                self._trim()
                raise
            except Exception as error:  # a defect; it must not stand in the way of all that comes after
                log.error("results cannot be kept", error=type(error).__name__, cause=cause_of(error), lost=len(batch))
                self._dropped += len(batch)
                continue
            self._written += len(batch)
            self._minutes.add(batch)  # only now: what was tried twice is counted once

    async def _roll(self, *, everything: bool) -> None:
        """In order of time: after a crash, all before the newest minute in the store is known to be stored."""
        for minute in self._minutes.all() if everything else self._minutes.over(self._clock.now(), GRACE):
            while tallies := self._minutes.some_of(minute, MINUTE_ROWS):
                try:
                    await self._store.add_to_minute(minute, tallies)
                except StoreUnavailable:
                    raise
                except Exception as error:  # a defect, as above
                    log.error("a minute cannot be kept", error=type(error).__name__, cause=cause_of(error))
                self._minutes.forget(minute, tuple(tallies))

    async def recover(self, region: str) -> int:
        """After a start, before anything is written: count the minutes whose results are in the store, but that a
        crash left uncounted."""
        counted = 0
        minute = await self._store.next_raw_minute(region, await self._store.unrolled_from(region))
        while minute is not None:
            await self._store.roll_minute(region, minute, self._minutes.thresholds)
            counted += 1
            minute = await self._store.next_raw_minute(region, minute + MINUTE)
        return counted

    def stats(self) -> HistoryStats:
        return HistoryStats(
            buffered=len(self._buffer),
            written=self._written,
            dropped=self._dropped,
            failed_flushes=self._failed_flushes,
        )
