"""A worker's results on their way to its parent: in batches, never waiting for it, in bounded memory."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from probes.result import ProbeResult

FLUSH_SECONDS = 0.05
BATCH_RESULTS = 200
MAX_RESULTS = 20_000


class Outbox:
    """`send` takes a batch and must not wait. While it is not writable results are kept, and above `capacity` the
    oldest are dropped, and counted: what is newest tells most of how things are."""

    def __init__(self, send: Callable[[tuple[ProbeResult, ...]], None], *, capacity: int = MAX_RESULTS) -> None:
        self.dropped = 0
        self._send = send
        self._capacity = capacity
        self._kept: deque[ProbeResult] = deque()
        self._writable = True
        self._timer: asyncio.TimerHandle | None = None

    def add(self, result: ProbeResult) -> None:
        self._kept.append(result)
        if len(self._kept) > self._capacity:
            self._kept.popleft()
            self.dropped += 1
        if len(self._kept) >= BATCH_RESULTS:
            self.flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_SECONDS, self.flush)

    def set_writable(self, writable: bool) -> None:
        self._writable = writable
        if writable:
            self.flush()

    def flush(self, *, all_of_it: bool = False) -> None:
        """Send what may be sent now; with `all_of_it` everything, because nothing comes after."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._kept and (self._writable or all_of_it):
            batch = tuple(self._kept.popleft() for _ in range(min(len(self._kept), BATCH_RESULTS)))
            self._send(batch)
