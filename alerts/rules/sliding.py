"""Counts of events over two windows that end now, kept without rescans and in bounded memory."""

from __future__ import annotations

from array import array
from math import ceil

_LARGEST = 2**31  # one bucket's counters are 32 bits wide


class SlidingCounts:
    """Sums of all and of bad events over the last `long_seconds` and, within them, the last `short_seconds`.

    A ring of buckets. A sum takes in the bucket of now and as many full ones before it as make up its window:
    everything younger than the window, nothing older than the window and one bucket. `add` costs the same however
    many events there are, and at most one turn of the ring after a gap.
    """

    __slots__ = (
        "_bad",
        "_bucket_seconds",
        "_newest",
        "_short_slots",
        "_slots",
        "_total",
        "long_bad",
        "long_total",
        "short_bad",
        "short_total",
    )

    def __init__(self, long_seconds: float, short_seconds: float, bucket_seconds: float) -> None:
        self._bucket_seconds = bucket_seconds
        self._slots = _full_buckets(long_seconds, bucket_seconds) + 1
        self._short_slots = _full_buckets(short_seconds, bucket_seconds) + 1
        self._newest = 0
        self.clear()

    def clear(self) -> None:
        self._total = array("I", bytes(4 * self._slots))
        self._bad = array("I", bytes(4 * self._slots))
        self.long_total = self.long_bad = self.short_total = self.short_bad = 0

    def add(self, at: float, total: int, bad: int) -> None:
        """Count events at a time that is now, the newest yet, or past; those too old for the window are dropped."""
        bucket = int(at // self._bucket_seconds)
        if bucket > self._newest:
            self._roll(bucket)
        age = self._newest - bucket
        if age >= self._slots:
            return
        slot = bucket % self._slots
        total = min(total, _LARGEST - self._total[slot])
        bad = min(bad, total)
        self._total[slot] += total
        self._bad[slot] += bad
        self.long_total += total
        self.long_bad += bad
        if age < self._short_slots:
            self.short_total += total
            self.short_bad += bad

    def _roll(self, bucket: int) -> None:
        if bucket - self._newest >= self._slots:
            if self.long_total:
                self.clear()
            self._newest = bucket
            return
        for number in range(self._newest + 1, bucket + 1):
            out_of_short = (number - self._short_slots) % self._slots
            self.short_total -= self._total[out_of_short]
            self.short_bad -= self._bad[out_of_short]
            out_of_long = number % self._slots
            self.long_total -= self._total[out_of_long]
            self.long_bad -= self._bad[out_of_long]
            self._total[out_of_long] = self._bad[out_of_long] = 0
        self._newest = bucket


def _full_buckets(window_seconds: float, bucket_seconds: float) -> int:
    return ceil(round(window_seconds / bucket_seconds, 6))  # 12.000000000000002 buckets are 12
