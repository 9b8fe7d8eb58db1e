"""What is known of each target now: in memory, bounded, for the page and for metrics."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, Protocol

from alerts.incident import Incident
from alerts.verdict import Level
from probes.result import Failure, FailureReason, GradeFacts, ProbeResult
from probes.target import Target

KEPT_DURATIONS = 60
SILENT_AFTER_INTERVALS = 3
_LONGEST_MICROSECONDS = 2**31 - 1


class TargetState(StrEnum):
    """Worst last. No data is never healthy: `unknown` is its own state."""

    OK = "ok"
    UNKNOWN = "unknown"
    FAILING = "failing"


def silent_after_seconds(target: Target) -> float:
    """How old the newest result may be before nothing is known of the target."""
    return SILENT_AFTER_INTERVALS * target.every.total_seconds() + target.timeout.total_seconds()


class Newest(Protocol):
    """What of a result its target's state follows from."""

    @property
    def monotonic_seconds(self) -> float: ...

    @property
    def failure(self) -> Failure | None: ...


def state_of(target: Target, last: Newest | None, monotonic_seconds: float) -> TargetState:
    """What the newest result says, while it is fresh. Our own fault (`internal`) says nothing of the service."""
    if last is None or (last.failure is not None and last.failure.reason is FailureReason.INTERNAL):
        return TargetState.UNKNOWN
    if monotonic_seconds - last.monotonic_seconds > silent_after_seconds(target):
        return TargetState.UNKNOWN
    return TargetState.OK if last.failure is None else TargetState.FAILING


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencySample:
    """One probe in the sparkline."""

    duration_seconds: float
    ok: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetView:
    """One target as the page shows it. Quantiles are of the held probes that succeeded; None without one."""

    target: Target
    state: TargetState
    incident: Incident | None
    samples: tuple[LatencySample, ...]  # oldest first
    p50_seconds: float | None
    p99_seconds: float | None
    last_probe_at: datetime | None
    failure: Failure | None  # of the newest result, so None again after a success
    grade: GradeFacts | None
    certificate_not_after: datetime | None


class _Samples:
    """The newest probes, 4 bytes each: a duration in whole microseconds, bitwise inverted where the probe failed."""

    __slots__ = ("_microseconds", "_oldest")

    def __init__(self) -> None:
        self._microseconds = array("i")
        self._oldest = 0

    def add(self, duration_seconds: float, ok: bool) -> None:
        microseconds = min(round(duration_seconds * 1e6), _LONGEST_MICROSECONDS)
        value = microseconds if ok else ~microseconds
        if len(self._microseconds) < KEPT_DURATIONS:
            self._microseconds.append(value)
        else:
            self._microseconds[self._oldest] = value
            self._oldest = (self._oldest + 1) % KEPT_DURATIONS

    def __iter__(self) -> Iterator[LatencySample]:
        """Oldest first."""
        for value in (*self._microseconds[self._oldest :], *self._microseconds[: self._oldest]):
            ok = value >= 0
            yield LatencySample(duration_seconds=(value if ok else ~value) / 1e6, ok=ok)


class _Last(NamedTuple):
    started_at: datetime
    monotonic_seconds: float
    failure: Failure | None


class _Held:
    __slots__ = ("grade", "last", "not_after", "samples", "target")

    def __init__(self, target: Target) -> None:
        self.target = target
        self.last: _Last | None = None
        self.samples = _Samples()
        self.grade: GradeFacts | None = None
        self.not_after: datetime | None = None

    def take(self, result: ProbeResult) -> None:
        if result.grade is not None:
            self.grade = result.grade
        if result.kind == "tls_grade":
            return
        if result.tls is not None:
            self.not_after = result.tls.not_after
        self.last = _Last(result.started_at, result.monotonic_seconds, result.failure)
        self.samples.add(result.duration_seconds, result.ok)


class Live:
    """Fed with results and with the open incidents; `views` is read by the page. Not thread-safe: one event loop."""

    def __init__(self, targets: Iterable[Target]) -> None:
        self._held: dict[str, _Held] = {}
        self._open: dict[str, Incident] = {}
        self.replace(targets)

    def replace(self, targets: Iterable[Target]) -> None:
        """The targets after a reload; what is held of those that stay is kept unless they now probe another address."""
        held = {}
        for target in targets:
            before = self._held.get(target.name)
            if before is None or before.target.url != target.url:
                before = _Held(target)
            before.target = target
            held[target.name] = before
        self._held = held

    def observe(self, batch: Sequence[ProbeResult]) -> None:
        """Results of targets that were removed meanwhile are passed over."""
        for result in batch:
            held = self._held.get(result.target)
            if held is not None:
                held.take(result)

    def set_incidents(self, open_incidents: Iterable[Incident]) -> None:
        """All incidents that are open now."""
        self._open = {incident.target: incident for incident in open_incidents}

    def restore_grade(self, target_name: str, grade: GradeFacts) -> None:
        """A grade of before the restart, from the store: the next scan may be hours away."""
        held = self._held.get(target_name)
        if held is not None and held.grade is None:
            held.grade = grade

    def views(
        self, monotonic_seconds: float, open_incidents: Iterable[Incident] | None = None
    ) -> tuple[TargetView, ...]:
        """Every target, worst first: paging incident, open incident, failing, unknown, ok; then by name.

        `open_incidents` are newer than what `set_incidents` was told; None when there is no newer word.
        """
        newest = self._open if open_incidents is None else {incident.target: incident for incident in open_incidents}
        views = (_view(held, newest.get(name), monotonic_seconds) for name, held in self._held.items())
        return tuple(sorted(views, key=_worst_first))


def _view(held: _Held, incident: Incident | None, monotonic_seconds: float) -> TargetView:
    samples = tuple(held.samples)
    good = sorted(sample.duration_seconds for sample in samples if sample.ok)
    return TargetView(
        target=held.target,
        state=state_of(held.target, held.last, monotonic_seconds),
        incident=incident,
        samples=samples,
        p50_seconds=quantile(good, 0.5),
        p99_seconds=quantile(good, 0.99),
        last_probe_at=None if held.last is None else held.last.started_at,
        failure=None if held.last is None else held.last.failure,
        grade=held.grade,
        certificate_not_after=held.not_after,
    )


def quantile(ascending: Sequence[float], share: float) -> float | None:
    """The smallest value that at least `share` of the values do not exceed (nearest rank); None of nothing."""
    if not ascending:
        return None
    return ascending[max(0, math.ceil(share * len(ascending)) - 1)]


_BADNESS = {TargetState.FAILING: 2, TargetState.UNKNOWN: 1, TargetState.OK: 0}


def _worst_first(view: TargetView) -> tuple[int, int, str]:
    incident = 0 if view.incident is None else 2 if view.incident.level is Level.PAGE else 1
    return (-incident, -_BADNESS[view.state], view.target.name)
