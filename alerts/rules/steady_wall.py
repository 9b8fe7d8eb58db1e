"""The wall clock of the results, without its steps."""

from __future__ import annotations

from datetime import datetime

SLEW_SECONDS = 300.0  # less is the clock being put right gently, or probes that take different times
SETTLE_SECONDS = 900.0


class SteadyWall:
    """Wall time carried on by a clock that does not step.

    The first result's wall clock is believed. A step is believed once the clock has kept to it for SETTLE_SECONDS,
    so that a clock which is set wrong for a moment neither opens nor closes anything.
    """

    __slots__ = ("_ahead", "_step_ahead", "_step_since")

    def __init__(self) -> None:
        self._ahead: float | None = None  # wall time minus the steady clock
        self._step_ahead: float | None = None
        self._step_since = 0.0

    def at(self, wall: datetime, now: float) -> float:
        """The POSIX time to believe at `now` on the steady clock, when the wall clock says `wall`."""
        ahead = wall.timestamp() - now
        if self._ahead is None or abs(ahead - self._ahead) <= SLEW_SECONDS:
            self._ahead, self._step_ahead = ahead, None
        elif self._step_ahead is None or abs(ahead - self._step_ahead) > SLEW_SECONDS:
            self._step_ahead, self._step_since = ahead, now
        elif now - self._step_since >= SETTLE_SECONDS:
            self._ahead, self._step_ahead = ahead, None
        return self._ahead + now
