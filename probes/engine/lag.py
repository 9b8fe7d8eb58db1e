"""How late this process's event loop runs what is due: what it does to itself, it must not report of others."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from weakref import WeakKeyDictionary

PERIOD_SECONDS = 0.02
LEAST_SECONDS = 0.005  # a timer's own coarseness, and a busy machine's usual jitter
KEPT_SECONDS = 120.0


class LoopLag:
    """A timer that looks how late it comes, going on only while somebody measures."""

    def __init__(self) -> None:
        self._users = 0
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._seen: deque[tuple[float, float]] = deque()  # (until when, for how long) the loop stood still

    def begin(self) -> None:
        self._users += 1
        if self._timer is None:
            self._wait(time.monotonic())

    def end(self) -> None:
        self._users -= 1
        if self._users == 0 and self._timer is not None:
            if (now := time.monotonic()) - self._due >= LEAST_SECONDS:
                self._saw(now)
            self._timer.cancel()  # a process that has nothing to do should not be woken to see that
            self._timer = None

    def longest_since(self, begun: float, now: float) -> float:
        """The longest time in one piece between the two for which the loop is known to have stood still, in seconds."""
        longest = max(0.0, now - max(begun, self._due)) if self._timer is not None else 0.0
        for until, lasted in reversed(self._seen):
            if until <= begun:
                break
            longest = max(longest, min(lasted, until - begun))
        return longest if longest >= LEAST_SECONDS else 0.0

    def _wait(self, now: float) -> None:
        self._due = now + PERIOD_SECONDS
        self._timer = asyncio.get_running_loop().call_later(PERIOD_SECONDS, self._look)

    def _look(self) -> None:
        now = time.monotonic()
        if now - self._due >= LEAST_SECONDS:
            self._saw(now)
        self._wait(now)

    def _saw(self, now: float) -> None:
        self._seen.append((now, now - self._due))
        while self._seen[0][0] < now - KEPT_SECONDS:
            self._seen.popleft()


_lags: WeakKeyDictionary[asyncio.AbstractEventLoop, LoopLag] = WeakKeyDictionary()


def loop_lag() -> LoopLag:
    """That of the running loop."""
    loop = asyncio.get_running_loop()
    lag = _lags.get(loop)
    if lag is None:
        lag = _lags[loop] = LoopLag()
    return lag
