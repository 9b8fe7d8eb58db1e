"""Minutes from raw results: pure, and the same whenever it is done again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from monitor.store.histogram import Histogram, bucket_of
from probes.result import FailureReason

MINUTE = timedelta(minutes=1)
# (objective, threshold in seconds) of one target, as in its SLO: (("p99", 0.4),)
Thresholds = Sequence[tuple[str, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class MinuteRollup:
    """One minute of one target. `slow` counts, for each latency objective, the good answers that took longer.

    `histogram` has the good answers only. Failures of our own (`internal`) say nothing of the service: they are not in
    `total`, and a minute of nothing else has no rollup.
    """

    target: str
    region: str
    minute: datetime
    total: int
    failed: int
    slow: Mapping[str, int]
    histogram: Histogram


def minute_of(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(second=0, microsecond=0)


@dataclass(slots=True)
class Tally:
    """A minute while it is counted."""

    thresholds: Thresholds = ()
    total: int = 0
    failed: int = 0
    slow: Counter[str] = field(default_factory=Counter)
    buckets: Counter[int] = field(default_factory=Counter)

    def add(self, duration_seconds: float, reason: str | None) -> None:
        if reason == FailureReason.INTERNAL:
            return
        self.total += 1
        if reason is not None:
            self.failed += 1
            return
        self.buckets[bucket_of(duration_seconds)] += 1
        self.slow.update(name for name, seconds in self.thresholds if duration_seconds > seconds)

    def row(self) -> dict[str, Any]:
        histogram = Histogram(self.buckets).to_json()
        return {"total": self.total, "failed": self.failed, "slow": dict(self.slow), "histogram": histogram}
