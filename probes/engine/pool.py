"""The worker processes as one source of results."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from zlib import crc32

from probes.engine.inbox import Inbox
from probes.engine.schedule import Job
from probes.engine.seat import Seat
from probes.engine.tally import Tally
from probes.result import ProbeResult
from probes.target import Target

START_SECONDS = 60.0
KILL_AFTER_SECONDS = 2.0
# TLS scans take a core for a second or more each; on a small machine the probes must not wait for them.
GRADER_NICENESS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolStats:
    """Totals since the pool started, but `alive`: how many of the `workers` probe now."""

    workers: int
    alive: int
    restarts: int
    late_probes: int
    dropped_results: int


class WorkersNotProbing(Exception):
    """The worker processes did not come up in time; what they wrote to the standard error says why."""


class WorkerPool:
    """Spreads the targets over `processes` workers; TLS grades, which are heavy, get one of their own.

    A worker that dies is started again with its targets, after a pause that grows while it keeps dying. A target stays
    with its worker over a reload. Results that a slow reader leaves lying stay with the workers, within bounds.

    What they count stands in memory that this process reads (`tallies`); `bounds` are its histogram's, in seconds.
    """

    def __init__(
        self, targets: Sequence[Target], region: str, *, processes: int = 1, bounds: Sequence[float] = ()
    ) -> None:
        self._region = region
        self._inbox = Inbox()
        self._probers = [
            Seat(f"probes-{number}", region, self._inbox, tally=Tally.make(bounds, shared=True))
            for number in range(processes)
        ]
        self._grader: Seat | None = None
        self._place(targets)

    async def start(self) -> None:
        """Returns when every worker probes. Raises WorkersNotProbing."""
        for seat in self._seats():
            seat.start()
        try:
            async with asyncio.timeout(START_SECONDS):
                for seat in self._seats():
                    await seat.probing.wait()
        except TimeoutError:
            await self.stop(0)
            raise WorkersNotProbing(f"no sign of the workers within {START_SECONDS:g} s") from None

    async def batches(self) -> AsyncIterator[tuple[ProbeResult, ...]]:
        """What the workers saw; ends when `stop` has drained them and everything was read."""
        async for batch in self._inbox.batches():
            yield batch

    async def reload(self, targets: Sequence[Target]) -> None:
        """Probe these from now on. A target that did not change keeps its times, a new one starts within seconds."""
        had_grader = self._grader is not None
        changed = self._place(targets)
        if self._grader is not None and not had_grader:
            self._grader.start()
        for seat in changed:
            await seat.send_jobs()

    async def stop(self, deadline_seconds: float = 10) -> None:
        """Start no probe any more and wait for those in flight, at most `deadline_seconds`; nothing in hand is lost."""
        await self._inbox.open_wide()
        await asyncio.gather(*(seat.stop(deadline_seconds, KILL_AFTER_SECONDS) for seat in self._seats()))
        await self._inbox.close()

    def stats(self) -> PoolStats:
        seats = list(self._seats())
        return PoolStats(
            workers=len(seats),
            alive=sum(seat.probing.is_set() for seat in seats),
            restarts=sum(seat.restarts for seat in seats),
            late_probes=sum(seat.late for seat in seats),
            dropped_results=sum(seat.dropped for seat in seats),
        )

    def tallies(self) -> list[tuple[Tally, Mapping[str, int]]]:
        """What each worker counts in, and the row of each of its targets; others after a reload."""
        return [(seat.tally, seat.rows) for seat in self._probers if seat.tally is not None]

    def pids(self) -> tuple[int, ...]:
        """Process ids of the workers that run now, those that probe first and that which grades last."""
        return tuple(seat.pid for seat in self._seats() if seat.pid is not None)

    def _seats(self) -> Iterator[Seat]:
        yield from self._probers
        if self._grader is not None:
            yield self._grader

    def _place(self, targets: Sequence[Target]) -> list[Seat]:
        """Give each seat its jobs; the seats whose jobs changed."""
        jobs = [job for target in targets for job in jobs_of(target)]
        if self._grader is None and any(job.kind == "tls_grade" for job in jobs):
            self._grader = Seat("tls-grades", self._region, self._inbox, niceness=GRADER_NICENESS)
        placed: dict[Seat, list[Job]] = {seat: [] for seat in self._seats()}
        for job in jobs:
            seat = self._probers[crc32(job.target.name.encode()) % len(self._probers)]
            if job.kind == "tls_grade" and self._grader is not None:
                seat = self._grader
            placed[seat].append(job)
        return [seat for seat, its_jobs in placed.items() if seat.take(tuple(its_jobs))]


def jobs_of(target: Target) -> Iterator[Job]:
    """The probe that its address says, and the TLS grade when one is wanted."""
    yield Job(target.kind, target, target.every.total_seconds(), target.failing_every_seconds)
    if target.graded:
        yield Job("tls_grade", target, target.tls.every.total_seconds())
