"""Minutes from results: pure, and the same whichever way they come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from monitor.store.histogram import Histogram, bucket_of
from probes.result import FailureReason

MINUTE = timedelta(minutes=1)
GRADE_KIND = "tls_grade"  # a scan, not a probe of the service: no part of any minute
# (objective, threshold in seconds) of one target, as in its SLO: (("p99", 0.4),)
Thresholds = Sequence[tuple[str, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class MinuteRollup:
    """One minute of one target. `slow` counts, for each latency objective, the good answers that took longer;
    `suspect` those that seemed to, while the prober stood still: they are no event of the objective.

    `histogram` has the good answers that are not suspect. Failures of our own (`internal`) say nothing of the service:
    they are not in `total`, and a minute of nothing else has no rollup. Nor are probes beside the schedule (reprobes):
    there are more of them the worse it is.
    """

    target: str
    region: str
    minute: datetime
    total: int
    failed: int
    slow: Mapping[str, int]
    histogram: Histogram
    suspect: Mapping[str, int] = field(default_factory=dict)


def minute_of(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(second=0, microsecond=0)


def add_up(counts: dict[str, int], more: Mapping[str, int]) -> None:
    for name, count in more.items():
        counts[name] = counts.get(name, 0) + count


@dataclass(slots=True)
class Tally:
    """A minute of one series while it is counted. `whole`: with all that was stored of it before."""

    thresholds: Thresholds = ()
    total: int = 0
    failed: int = 0
    slow: dict[str, int] = field(default_factory=dict)
    suspect: dict[str, int] = field(default_factory=dict)
    buckets: dict[int, int] = field(default_factory=dict)
    whole: bool = False

    def add(self, duration_seconds: float, reason: str | None, *, suspect: bool = False) -> None:
        """A result that the schedule made."""
        if reason is not None:
            if reason != FailureReason.INTERNAL:
                self.total += 1
                self.failed += 1
            return
        self.total += 1
        if not suspect:
            bucket = bucket_of(duration_seconds)
            self.buckets[bucket] = self.buckets.get(bucket, 0) + 1
        for name, seconds in self.thresholds:
            if duration_seconds > seconds:
                counts = self.suspect if suspect else self.slow
                counts[name] = counts.get(name, 0) + 1

    def add_stored(self, stored: MinuteRollup) -> None:
        self.total += stored.total
        self.failed += stored.failed
        add_up(self.slow, stored.slow)
        add_up(self.suspect, stored.suspect)
        for bucket, count in stored.histogram.counts.items():
            self.buckets[bucket] = self.buckets.get(bucket, 0) + count
