"""A worker's results on their way to its parent: in batches, never waiting for it, in bounded memory."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from probes.engine.stripped import StrippedResults
from probes.result import ProbeResult

FLUSH_SECONDS = 0.2
URGENT_SECONDS = 0.005  # for what may decide something; long enough for others that fail in the same moment
BATCH_RESULTS = 200
MAX_RESULTS = 20_000
MAX_STRIPPED = 2_000_000  # 60 MB: more than half an hour of 1,000 probes a second


class Outbox:
    """`send` takes a batch and must not wait. While it is not writable results are kept. Above `capacity` the oldest
    are stripped to what rules judge by, and counted in `dropped`: their history is lost, but no verdict is. Above
    `stripped_capacity` the oldest of those go, too.
    """

    def __init__(
        self,
        send: Callable[[tuple[ProbeResult, ...]], None],
        *,
        capacity: int = MAX_RESULTS,
        stripped_capacity: int = MAX_STRIPPED,
    ) -> None:
        self.dropped = 0
        self._send = send
        self._capacity = capacity
        self._kept: deque[ProbeResult] = deque()
        self._stripped = StrippedResults(stripped_capacity)
        self._writable = True
        self._timer: asyncio.TimerHandle | None = None
        self._urgent = False

    def add(self, result: ProbeResult, *, urgent: bool = False) -> None:
        """`urgent`: it may decide something, so it goes out at once."""
        self._kept.append(result)
        if len(self._kept) > self._capacity:
            self._strip(self._kept.popleft())
        if len(self._kept) >= BATCH_RESULTS:
            self.flush()
        elif self._timer is None or (urgent and not self._urgent):
            if self._timer is not None:
                self._timer.cancel()
            self._urgent = urgent
            self._timer = asyncio.get_running_loop().call_later(URGENT_SECONDS if urgent else FLUSH_SECONDS, self.flush)

    def set_writable(self, writable: bool) -> None:
        self._writable = writable
        if writable:
            self.flush()

    def flush(self, *, all_of_it: bool = False) -> None:
        """Send what may be sent now; with `all_of_it` everything, because nothing comes after."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._urgent = False
        while self._stripped and (self._writable or all_of_it):
            self._send(self._stripped.take(BATCH_RESULTS))
        while self._kept and (self._writable or all_of_it):
            batch = tuple(self._kept.popleft() for _ in range(min(len(self._kept), BATCH_RESULTS)))
            self._send(batch)

    def _strip(self, result: ProbeResult) -> None:
        if result.grade is not None:  # a verdict by itself, of which there are few
            self._kept.append(result)
            return
        self._stripped.add(result)
        self.dropped += 1
