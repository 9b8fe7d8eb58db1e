"""Time as the results of one target tell it: it only goes forward."""

from __future__ import annotations

import math

# One worker probes a target, one probe after the other, so its results come in order. One that is not newer than the
# newest is a copy or a straggler; one that is older by more than this comes from a clock that began again.
STRAGGLER_SECONDS = 60.0

# No window is longer, so a longer gap tells nothing more; it also keeps the sum of all gaps a number that int() takes.
LONGEST_GAP_SECONDS = 10 * 366 * 86400.0


class StreamClock:
    """`now` is in seconds since the first result; a clock that began again neither moves it nor stops it."""

    __slots__ = ("_newest", "now")

    def __init__(self) -> None:
        self._newest: float | None = None
        self.now = 0.0

    def advance(self, monotonic_seconds: float) -> bool:
        """Move to a result's time. False for a result that must not be counted: a copy, a straggler, no number."""
        if not math.isfinite(monotonic_seconds):
            return False
        if self._newest is not None:
            step = monotonic_seconds - self._newest
            if -STRAGGLER_SECONDS <= step <= 0:
                return False
            if step > 0:
                self.now += min(step, LONGEST_GAP_SECONDS)
        self._newest = monotonic_seconds
        return True

    def begin(self, monotonic_seconds: float) -> None:
        """Where the past ends, for counts from before the first result."""
        if self._newest is None:
            self._newest = monotonic_seconds

    def at(self, monotonic_seconds: float) -> float:
        """The time of something on the results' clock, on this clock; not later than now."""
        age = (self._newest or 0.0) - monotonic_seconds
        return self.now - min(max(age, 0.0), LONGEST_GAP_SECONDS)

    def monotonic(self, at: float) -> float:
        """The time of something on this clock, on the results' clock as it is now."""
        return (self._newest or 0.0) - (self.now - at)
