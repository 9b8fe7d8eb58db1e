"""What every rule is, and what a burn rate is told of the time before a restart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from alerts.verdict import Level, Verdict
from probes.result import ProbeResult


class Rule(Protocol):
    """Judges the results of one target, in the order in which they come."""

    @property
    def name(self) -> str:
        """Stable: the store keeps it with an open incident."""
        ...

    def observe(self, result: ProbeResult) -> Verdict | None:
        """A verdict when the rule changes its mind: it begins to fire, rises from ticket to page, or recovers."""
        ...

    def restore(self, level: Level) -> None:
        """After a restart: the store says that the rule fires at this level."""
        ...

    def reset(self) -> None:
        """The incident was resolved: fire no more, and judge only what comes from now on."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class MinuteCounts:
    """The stored counts of one minute of one target.

    `monotonic_seconds` is the minute's start on this host's monotonic clock; it is negative for a minute before
    the host's last boot. `total` and `failed` leave out results with the reason `internal` and reprobes. `slow` counts,
    by the name of the latency objective ("p99"), the good answers that took longer than its threshold; `suspect` those
    that seemed to while the prober stood still.
    """

    monotonic_seconds: float
    total: int
    failed: int
    slow: Mapping[str, int] = field(default_factory=dict)
    suspect: Mapping[str, int] = field(default_factory=dict)
