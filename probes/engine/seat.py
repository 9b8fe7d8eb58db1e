"""One worker's place in the pool: whoever sits there has its jobs; who dies is replaced."""

from __future__ import annotations

import asyncio
import multiprocessing
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from multiprocessing.context import SpawnProcess

import structlog

from probes.engine import process as worker_process
from probes.engine.inbox import Inbox
from probes.engine.messages import LENGTH, Assign, Message, Probing, Results, Stop, Trouble, decode, encode
from probes.engine.schedule import Job
from probes.engine.tally import Rows, Tally

log = structlog.get_logger()

FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 30.0
# A worker that lived so long was not in a crash loop.
SETTLED_SECONDS = 60.0
JOIN_SECONDS = 5.0
# A worker says something every few seconds. One of which nothing is heard twice for so long hangs, and its targets are
# not probed; twice, because all that it said may lie unread after this process itself stood still.
SILENT_SECONDS = 15.0


class Seat:
    """`late` and `dropped` are totals over every worker that sat here."""

    def __init__(self, name: str, region: str, inbox: Inbox, *, niceness: int = 0, tally: Tally | None = None) -> None:
        self.name = name
        self.tally = tally  # outlives the worker, so that the next one counts on
        self._rows = Rows() if tally is None else Rows(tally.capacity)
        self.rows: Mapping[str, int] = {}
        self._niceness = niceness
        self.restarts = 0
        self.probing = asyncio.Event()
        self._region = region
        self._inbox = inbox
        self._jobs: tuple[Job, ...] = ()
        self._process: SpawnProcess | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._stopping = asyncio.Event()
        self._stop_seconds = 0.0
        self._life: asyncio.Task[None] | None = None
        self._sending = asyncio.Lock()
        self._heard = time.monotonic()  # when the last worker was last heard of
        self._gone = False  # there was one, and it has not been followed yet
        self._missed = 0  # starts that never came while there was none
        self._counts = (0, 0)  # late, dropped: of the worker that sits here now
        self._counts_before = (0, 0)  # of those before it

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    @property
    def late(self) -> int:
        """Starts that were late, or never came."""
        return self._counts[0] + self._counts_before[0] + self._missed

    @property
    def dropped(self) -> int:
        return self._counts[1] + self._counts_before[1]

    def take(self, jobs: tuple[Job, ...]) -> bool:
        """These are its jobs now; false when nothing changed."""
        changed = jobs != self._jobs
        self._jobs = jobs
        if self.tally is not None:
            self.rows = self._rows.assign(job.target.name for job in jobs)
        return changed

    async def send_jobs(self) -> None:
        # Encoded in a thread: thousands of targets take their time, and the loop has other work.
        async with self._sending:
            self._send(await asyncio.to_thread(encode, Assign(self._jobs, dict(self.rows))))

    def start(self) -> None:
        self._life = asyncio.create_task(self._live(), name=self.name)

    async def stop(self, deadline_seconds: float, kill_after_seconds: float) -> None:
        """Have the worker drain; it is killed when it takes longer than both together."""
        self._stop_seconds = deadline_seconds
        self._stopping.set()
        if self._life is None:
            return
        self._send(encode(Stop(deadline_seconds)))
        _, alive = await asyncio.wait({self._life}, timeout=deadline_seconds + kill_after_seconds)
        if alive:
            log.warning("a worker did not drain in time and is killed", worker=self.name, pid=self.pid)
            if self._process is not None:
                with suppress(ValueError):  # it ended just now
                    self._process.kill()
            await self._life

    def _send(self, frame: bytes) -> None:
        """Never waits: a worker that hangs reads nothing. One that is gone is replaced by one that is told it all."""
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(frame)

    async def _live(self) -> None:
        """One worker after the other until the seat is stopped."""
        deaths_in_a_row = 0
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                await self._sit()
            except Exception:  # whatever it was, the targets of this seat must not stay unprobed
                log.exception("a worker cannot be started or heard", worker=self.name)
            if self._stopping.is_set():
                return
            deaths_in_a_row = 0 if time.monotonic() - began > SETTLED_SECONDS else deaths_in_a_row + 1
            pause_seconds = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2**deaths_in_a_row)
            log.warning("a worker died and is started again", worker=self.name, pause_seconds=pause_seconds)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause_seconds)
            self.restarts += 1

    async def _sit(self) -> None:
        """From the start of one worker to its end."""
        ours, theirs = socket.socketpair()
        arguments = (theirs, self._region, self._niceness, self.tally)
        process = multiprocessing.get_context("spawn").Process(
            target=worker_process.main, args=arguments, name=self.name, daemon=True
        )
        try:
            with theirs:
                await asyncio.to_thread(process.start)  # writes to a pipe that the child reads
        except BaseException:
            ours.close()
            raise
        self._process = process
        try:
            reader, self._writer = await asyncio.open_unix_connection(sock=ours)
            await self.send_jobs()
            if self._stopping.is_set():  # it came while the worker was starting
                self._send(encode(Stop(self._stop_seconds)))
            await self._read(reader)
        except TimeoutError:
            log.error("a worker hangs and is killed", worker=self.name, pid=process.pid)
            process.kill()
        finally:
            self.probing.clear()
            if self._writer is not None:
                self._writer.close()
                self._writer = None
            await asyncio.to_thread(_bury, process)
            self._process = None
            self._counts_before, self._counts = (self.late - self._missed, self.dropped), (0, 0)
            self._gone = True

    async def _read(self, reader: asyncio.StreamReader) -> None:
        """Until the worker closes its end or dies. Raises TimeoutError when nothing is heard of it for too long."""
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                (length,) = LENGTH.unpack(await _bytes(reader, LENGTH.size))
                await self._hear(decode(await _bytes(reader, length)))

    def _count_missed(self) -> None:
        gone_seconds = time.monotonic() - self._heard
        if self._gone:
            self._missed += int(sum(gone_seconds / job.every_seconds for job in self._jobs))
        self._gone = False

    async def _hear(self, message: Message) -> None:
        if isinstance(message, Probing):
            self._count_missed()
            self.probing.set()
        self._heard = time.monotonic()
        if isinstance(message, Results):
            self._counts = (message.late, message.dropped)
            await self._inbox.put(message.batch)
        elif isinstance(message, Trouble):
            log.error("trouble in a worker", worker=self.name, what=message.what, traceback=message.traceback)


async def _bytes(reader: asyncio.StreamReader, count: int) -> bytes:
    with suppress(TimeoutError):
        async with asyncio.timeout(SILENT_SECONDS):
            return await reader.readexactly(count)  # takes nothing away before it has everything
    async with asyncio.timeout(SILENT_SECONDS):
        return await reader.readexactly(count)


def _bury(process: SpawnProcess) -> None:
    """It closed its end: it is exiting, or hangs while it does."""
    process.join(JOIN_SECONDS)
    if process.is_alive():
        process.kill()
        process.join()
    process.close()
