"""How fast one objective's error budget burns, over every row of the table of windows."""

from __future__ import annotations

import math
from dataclasses import dataclass

from alerts.rules.sliding import SlidingCounts
from alerts.rules.windows import BurnWindow, fitted

# Fewer bad events than this prove nothing, whatever their share: one lost probe of a rarely probed or very strict
# objective must not page. At an objective's own rate, five in a window that expects 0.36 come up once in 25,000.
LEAST_BAD_EVENTS = 5

_SLACK = 1e-9  # 14.4 * (1 - 0.999) * 360 is not the same number in floats as on paper


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """One objective in numbers. `budget` is the share of events that may be bad, `slo_seconds` over how long."""

    budget: float
    slo_seconds: float
    every_seconds: float

    def burn(self, bad: int, total: int, seconds: float) -> float:
        """How many times too fast the budget burns over a window.

        The share is of the results that a full window has at the target's interval, or of those it does have when
        they are more: what was not probed is not held against the target.
        """
        return bad / max(total, seconds / self.every_seconds) / self.budget

    def spent(self, bad: int) -> float:
        """The share of the whole budget that these bad events are."""
        return bad * self.every_seconds / self.slo_seconds / self.budget


class Watch:
    """One row of the table with its counts. `latched`: it made the rule fire, and has not become quiet since."""

    __slots__ = ("_allowed", "_expected_long", "_expected_short", "_least_results", "counts", "latched", "window")

    def __init__(self, window: BurnWindow, pace: Pace) -> None:
        self.window = window
        self.counts = SlidingCounts(window.long_seconds, window.short_seconds, window.bucket_seconds)
        self.latched = False
        self._allowed = window.factor * pace.budget
        self._expected_long = window.long_seconds / pace.every_seconds
        self._expected_short = window.short_seconds / pace.every_seconds
        self._least_results = math.ceil(self._expected_short / 2)

    def holds(self) -> bool:
        """The budget burns at least `factor` times too fast over both windows."""
        counts = self.counts
        return (
            counts.long_bad >= LEAST_BAD_EVENTS
            and counts.long_bad + _SLACK >= self._allowed * max(counts.long_total, self._expected_long)
            and counts.short_bad + _SLACK >= self._allowed * max(counts.short_total, self._expected_short)
        )

    def quiet(self, good_in_a_row: int) -> bool:
        """The short window burns slower than `factor`, and enough was seen to say so: no data is never healthy.

        Enough is half of the results that the window should have, in it or in a row.
        """
        counts = self.counts
        if max(counts.short_total, good_in_a_row) < self._least_results:
            return False
        return counts.short_bad == 0 or counts.short_bad + _SLACK < self._allowed * counts.short_total


class BudgetWindows:
    """Every row of the table, fed together. `watches` is in the table's order, the most urgent first."""

    __slots__ = ("_kept", "_kept_at", "_kept_bucket", "watches")

    def __init__(self, pace: Pace) -> None:
        windows = fitted(pace.budget, pace.slo_seconds, pace.every_seconds)
        self.watches = tuple(Watch(window, pace) for window in windows)
        self._kept = 0
        self._kept_at = 0.0
        self._kept_bucket = -1.0

    def add(self, at: float, total: int, bad: int) -> None:
        self._add_kept()
        for watch in self.watches:
            watch.counts.add(at, total, bad)

    def keep_good(self, now: float) -> None:
        """A good result while nobody looks at the counts: they are added up together, a bucket at a time."""
        bucket = now // self.watches[0].window.bucket_seconds
        if bucket != self._kept_bucket:
            self._add_kept()
            self._kept_bucket, self._kept_at = bucket, now
        self._kept += 1

    def clear(self) -> None:
        self._kept = 0
        for watch in self.watches:
            watch.counts.clear()
            watch.latched = False

    def _add_kept(self) -> None:
        if self._kept:
            for watch in self.watches:
                watch.counts.add(self._kept_at, self._kept, 0)
            self._kept = 0
