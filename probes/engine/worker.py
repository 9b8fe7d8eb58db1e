"""A probe worker: a process that does nothing but probe, so that no other work delays its clocks.

It lives as long as its socket to the pool: when the parent goes away, however that happens, it ends too.
"""

from __future__ import annotations

import asyncio
import gc
import math
import os
import resource
import signal
import socket
import sys
import time
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import cast

from probes import load
from probes.context import Probe, ProbeContext
from probes.engine.failures import failure
from probes.engine.loop import loop_factory
from probes.engine.messages import Alive, Assign, Frames, Message, Probing, Results, Stop, Trouble, encode
from probes.engine.outbox import Outbox
from probes.engine.schedule import Schedule, Start
from probes.engine.tally import Tally
from probes.result import FailureReason, ProbeResult

# How long after its own deadline a probe that does not end is ended.
OVERRUN_SECONDS = {"tls_grade": 900.0}
DEFAULT_OVERRUN_SECONDS = 30.0
# A TLS scan is a process of its own and makes hundreds of connections.
AT_ONCE = {"tls_grade": 2}
SIGTERM_DRAIN_SECONDS = 5.0
MAX_TRACEBACK_CHARACTERS = 8000
TROUBLE_EVERY_SECONDS = 60.0
ALIVE_EVERY_SECONDS = 5.0
OVERRUNS_EVERY_SECONDS = 1.0
# A probe leaves hardly any garbage in cycles, and makes hundreds of objects that go by themselves: Python's 700 would
# have the collector look for nothing at every third probe.
GARBAGE_OBJECTS = 10_000
OVERRUN = "overrun"


class Worker(asyncio.Protocol):
    """The worker's end of the socket, its schedule, and the probes that run."""

    def __init__(self, region: str, tally: Tally | None = None) -> None:
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._region = region
        self._frames = Frames()
        self._outbox = Outbox(self._send_results)
        self._schedule = Schedule((), time.monotonic(), at_once=AT_ONCE)
        self._tally = tally
        self._rows: Mapping[str, int] = {}
        self._probes: dict[str, Probe] = {}
        self._tasks: dict[asyncio.Task[None], float] = {}  # and until when each may take, on the monotonic clock
        self._failing: set[str] = set()  # keys of the jobs whose last probe failed
        self._timer: asyncio.TimerHandle | None = None
        self._troubles: dict[str, float] = {}
        self._stopping: asyncio.Task[None] | None = None
        self._transport: asyncio.Transport | None = None

    # The socket.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        asyncio.get_running_loop().call_later(ALIVE_EVERY_SECONDS, self._say_alive)
        asyncio.get_running_loop().call_later(OVERRUNS_EVERY_SECONDS, self._end_overruns)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        if not self.ended.done():
            self.ended.set_result(None)

    def pause_writing(self) -> None:
        self._outbox.set_writable(False)

    def resume_writing(self) -> None:
        self._outbox.set_writable(True)

    def data_received(self, data: bytes) -> None:
        for message in self._frames.feed(data):
            if isinstance(message, Assign):
                self._assign(message)
            elif isinstance(message, Stop):
                self.stop(message.deadline_seconds)

    def _send(self, message: Message) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(encode(message))

    def _send_results(self, batch: tuple[ProbeResult, ...]) -> None:
        self._send(Results(batch, self._schedule.late, self._outbox.dropped))

    def _say_alive(self) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        if self._transport.get_write_buffer_size() == 0:  # else the pool does not read, and knows why it hears nothing
            self._send(Alive())
        asyncio.get_running_loop().call_later(ALIVE_EVERY_SECONDS, self._say_alive)

    # The schedule.

    def _assign(self, message: Assign) -> None:
        for kind in {job.kind for job in message.jobs} - self._probes.keys():
            try:
                self._probes[kind] = load(kind)
            except Exception as error:  # its targets get results that say so; those of other kinds are probed
                self.trouble(f"the {kind} probe cannot be loaded", error)
        self._schedule.replace(message.jobs, time.monotonic())
        self._claim(message)
        self._failing.intersection_update(job.key for job in message.jobs)
        gc.unfreeze()
        gc.collect()
        gc.freeze()  # what is here stays: the collector need not look through it between probes
        gc.set_threshold(GARBAGE_OBJECTS)
        self._arm()
        self._send(Probing())

    def _claim(self, message: Assign) -> None:
        self._rows = message.rows
        if self._tally is not None:
            for job in message.jobs:
                if (row := self._rows.get(job.target.name)) is not None:
                    self._tally.claim(row, job.target)

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = self._schedule.next_due()
        if due is not None and self._stopping is None:
            # Rounded up to a timer's coarseness: uvloop would round to the nearest, and turn until it is time.
            wait_seconds = math.ceil(max(0.0, due - time.monotonic()) * 1000) / 1000
            self._timer = asyncio.get_running_loop().call_later(wait_seconds, self._tick)

    def _tick(self) -> None:
        for start in self._schedule.start_due(time.monotonic()):
            self._launch(start)
        self._arm()

    def _launch(self, start: Start) -> None:
        task = asyncio.get_running_loop().create_task(self._run(start))
        limit = OVERRUN_SECONDS.get(start.job.kind, DEFAULT_OVERRUN_SECONDS)
        self._tasks[task] = time.monotonic() + start.job.target.timeout.total_seconds() + limit
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[None]) -> None:
        del self._tasks[task]

    def _end_overruns(self) -> None:
        """A probe ends by itself. One that does not, by a fault of ours, must not silence its target for ever."""
        now = time.monotonic()
        for task, limit in self._tasks.items():
            if now > limit:
                task.cancel(OVERRUN)
        asyncio.get_running_loop().call_later(OVERRUNS_EVERY_SECONDS, self._end_overruns)

    async def _run(self, start: Start) -> None:
        key, begun = start.job.key, time.monotonic()
        result = await self._result(start)
        # A failure of our own says nothing of the target, and is no reason to work more.
        failed = result.failure is not None and result.failure.reason is not FailureReason.INTERNAL
        if self._tally is not None and (row := self._rows.get(result.target)) is not None:
            self._tally.record(row, result)
        self._outbox.add(result, urgent=failed or key in self._failing)
        if failed:
            self._failing.add(key)
        elif self._failing:
            self._failing.discard(key)
        now = time.monotonic()
        due = self._schedule.next_due()
        waited = self._schedule.finished(key, now, failed_in_seconds=now - begun if failed else None)
        if self._stopping is not None:
            return
        for each in waited:
            self._launch(each)
        if self._schedule.next_due() != due:
            self._arm()

    async def _result(self, start: Start) -> ProbeResult:
        job = start.job
        started_at, begun = datetime.now(UTC), time.monotonic()
        late_seconds = begun - start.due  # others that were due at the same time came first
        context = ProbeContext(region=self._region, late_seconds=late_seconds, reprobe=start.reprobe)
        try:
            return await self._probes[job.kind](job.target, context)
        except asyncio.CancelledError as error:
            if OVERRUN not in error.args:
                raise
            cause: BaseException = TimeoutError(f"not ended {time.monotonic() - begun:.0f} s after it began")
        except Exception as error:
            cause = error
        self.trouble(f"a {job.kind} probe raised {type(cause).__name__}", cause)
        detail = f"a fault of the prober, not of the service: {type(cause).__name__}; its log has the details"
        ended = time.monotonic()
        return ProbeResult(
            target=job.target.name,
            region=self._region,
            kind=job.kind,
            started_at=started_at,
            monotonic_seconds=ended,
            duration_seconds=ended - begun,
            failure=failure(FailureReason.INTERNAL, detail),
            late_seconds=late_seconds,
            reprobe=start.reprobe,
        )

    def trouble(self, what: str, error: BaseException | None) -> None:
        """Have the parent log it: there it goes through the redaction of secrets. The same trouble once a minute."""
        now = time.monotonic()
        if now - self._troubles.get(what, -TROUBLE_EVERY_SECONDS) < TROUBLE_EVERY_SECONDS:
            return
        self._troubles[what] = now
        lines = traceback.format_exception(error) if error is not None else []
        self._send(Trouble(what, "".join(lines)[-MAX_TRACEBACK_CHARACTERS:]))

    # The end.

    def stop(self, deadline_seconds: float) -> None:
        if self._stopping is None:
            self._stopping = asyncio.get_running_loop().create_task(self._drain(deadline_seconds))
            self._arm()

    async def _drain(self, deadline_seconds: float) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=deadline_seconds)
        for task in self._tasks:
            task.cancel()
        self._outbox.flush(all_of_it=True)
        if self._transport is not None:
            self._transport.close()  # once everything is written


async def _serve(sock: socket.socket, region: str, tally: Tally | None) -> None:
    loop = asyncio.get_running_loop()
    _, worker = await loop.create_unix_connection(lambda: Worker(region, tally), sock=sock)
    loop.set_exception_handler(lambda _, context: worker.trouble(str(context["message"]), context.get("exception")))
    # A service manager may signal the whole group: the parent drains, and so does the worker, with what it has in hand.
    loop.add_signal_handler(signal.SIGTERM, worker.stop, SIGTERM_DRAIN_SECONDS)
    await worker.ended


def _raise_file_limit() -> None:
    """Each probe in flight is an open file; the usual soft limit of 1024 is too few for a few thousand targets."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError):
        return


def main(sock: socket.socket, region: str, niceness: int, tally: Tally | None = None) -> None:
    """The process. It does not return: a thread that is stuck in the name service must not keep it alive."""
    os.nice(niceness)
    for ignored in (signal.SIGINT, signal.SIGHUP):  # meant for the parent
        signal.signal(ignored, signal.SIG_IGN)
    _raise_file_limit()
    code = 1
    try:
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(_serve(sock, region, tally))
        code = 0
    except Exception as error:
        # This process does not know the secrets: where it ended is told, without the error's own words.
        where = "".join(traceback.format_tb(error.__traceback__))
        sys.stderr.write(f"a probe worker ended by {type(error).__name__} at\n{where}")
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
