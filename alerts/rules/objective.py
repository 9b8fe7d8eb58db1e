"""What burns an error budget: failed probes, or good answers that come too late."""

from __future__ import annotations

from dataclasses import dataclass

from alerts.rules.rule import MinuteCounts
from alerts.rules.words import exactly, share
from probes.result import FailureReason, ProbeResult
from probes.target import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Availability:
    """Of all probes, the share `good` must succeed. Our own faults are not the target's and are not counted."""

    good: float

    @property
    def name(self) -> str:
        return "availability"

    @property
    def words(self) -> str:
        return f"{share(self.good)} of probes succeed"

    @property
    def bad_words(self) -> str:
        return "probes failed"

    def bad(self, result: ProbeResult) -> bool | None:
        """Whether the result burns budget; None when it is no event of this objective."""
        if result.failure is None:
            return False
        return None if result.failure.reason is FailureReason.INTERNAL else True

    def of_minute(self, minute: MinuteCounts) -> tuple[int, int]:
        """Events of this objective in a minute, and how many of them were bad."""
        return minute.total, minute.failed


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Of the good answers, the share `good` must come within the threshold. A failed probe has no latency."""

    percentile: str  # "p99"
    good: float
    threshold_seconds: float

    @property
    def name(self) -> str:
        return f"latency:{self.percentile}"

    @property
    def words(self) -> str:
        return f"{share(self.good)} of good answers within {exactly(self.threshold_seconds)}"

    @property
    def bad_words(self) -> str:
        return f"good answers took longer than {exactly(self.threshold_seconds)}"

    def bad(self, result: ProbeResult) -> bool | None:
        """A suspect answer within the threshold was in time; of one beyond it nobody knows whose time it was."""
        if result.failure is not None:
            return None
        slow = result.duration_seconds > self.threshold_seconds
        return None if slow and result.suspect else slow

    def of_minute(self, minute: MinuteCounts) -> tuple[int, int]:
        unknown = minute.suspect.get(self.percentile, 0)
        return minute.total - minute.failed - unknown, minute.slow.get(self.percentile, 0)


Objective = Availability | Latency


def objectives(target: Target) -> tuple[Objective, ...]:
    if target.slo is None:
        return ()
    latency = (
        Latency(percentile=name, good=good, threshold_seconds=seconds)
        for name, good, seconds in target.slo.latency.objectives()
    )
    if target.slo.availability is None:
        return tuple(latency)
    return (Availability(good=target.slo.availability), *latency)
