"""What is counted of one target: plain numbers, turned into points when they are collected."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from itertools import accumulate
from types import MappingProxyType

from alerts.incident import Incident
from dashboards.catalogue import GRADE_NUMBERS, LATENCY_BUCKETS_SECONDS
from monitor.live import TargetState, state_of
from monitor.metrics.labels import printable
from probes.result import AddressResult, FailureReason, GradeFacts, Phase, ProbeResult, TlsSession
from probes.target import Target
from tests.support.reference.last_probe import Point

OUTCOMES = ("success", "failure", "internal")


class TargetSeries:
    """One target seen from one region."""

    def __init__(self, target: Target, region: str) -> None:
        self.region = region
        self.last: ProbeResult | None = None
        self.tls: TlsSession | None = None
        self.grade: GradeFacts | None = None
        self.graded_at: datetime | None = None
        self.incident: Incident | None = None
        self.outcomes = dict.fromkeys(OUTCOMES, 0)
        self.failures: Counter[FailureReason] = Counter()
        self.suspect = 0
        self.late = 0
        self.phase_seconds: dict[Phase, float] = {}
        self.buckets = [0] * (len(LATENCY_BUCKETS_SECONDS) + 1)
        self.seconds = 0.0
        self.slo_verdicts: Counter[tuple[str, str]] = Counter()
        self.target, self.objectives = target, tuple(objectives(target))

    def retarget(self, target: Target) -> None:
        """The target's settings changed: what was counted stays, what was seen last was of the address before."""
        if target.url != self.target.url:
            self.last = self.tls = None
        self.target, self.objectives = target, tuple(objectives(target))

    def observe(self, result: ProbeResult) -> None:
        if result.kind == "tls_grade":
            if result.grade is not None:
                self.grade, self.graded_at = result.grade, result.started_at
            return
        self.last = result
        if result.tls is not None:
            self.tls = result.tls
        if result.reprobe:
            return
        self.suspect += result.suspect
        self.late += result.late_seconds > max(0.1, self.target.every.total_seconds() / 100)
        if result.failure is None:
            self.outcomes["success"] += 1
            if not result.suspect:
                self._measure(result)
        else:
            internal = result.failure.reason is FailureReason.INTERNAL
            self.outcomes["internal" if internal else "failure"] += 1
            self.failures[result.failure.reason] += 1

    def _measure(self, result: ProbeResult) -> None:
        self.buckets[bisect_left(LATENCY_BUCKETS_SECONDS, result.duration_seconds)] += 1
        self.seconds += result.duration_seconds
        for phase, seconds in result.phases:
            self.phase_seconds[phase] = self.phase_seconds.get(phase, 0.0) + seconds
        for name, _, threshold_seconds in self.objectives:
            if threshold_seconds is not None:
                self.slo_verdicts[name, "good" if result.duration_seconds <= threshold_seconds else "bad"] += 1


def objectives(target: Target) -> Iterable[tuple[str, float, float | None]]:
    """(name, share that must be good, threshold in seconds or None for availability)."""
    if target.slo is None:
        return
    if target.slo.availability is not None:
        yield "availability", target.slo.availability, None
    yield from target.slo.latency.objectives()


def histogram(series: TargetSeries) -> tuple[list[tuple[str, float]], float]:
    """Cumulative buckets and the sum, as prometheus_client's HistogramMetricFamily takes them."""
    bounds = [*(f"{bound}" for bound in LATENCY_BUCKETS_SECONDS), "+Inf"]
    return list(zip(bounds, accumulate(series.buckets), strict=True)), series.seconds


def _state(series: TargetSeries, monotonic_seconds: float) -> Iterable[Point]:
    now = state_of(series.target, series.last, monotonic_seconds)
    return [((state.value,), state is now) for state in TargetState]


def _info(series: TargetSeries, _: float) -> Iterable[Point]:
    target = series.target
    runbook = "" if target.runbook is None else printable(target.runbook.name)
    return [((target.kind, target.severity, runbook), 1)]


def _incident(series: TargetSeries, _: float) -> Iterable[Point]:
    incident = series.incident
    if incident is None:
        return ()
    return [((incident.level.value, incident.state.value), incident.opened_at.timestamp())]


def _letter(series: TargetSeries) -> str | None:
    grade = series.grade
    return None if grade is None or grade.letter not in GRADE_NUMBERS else grade.letter


def _grade(series: TargetSeries, _: float) -> Iterable[Point]:
    letter = _letter(series)
    return () if letter is None else [((), GRADE_NUMBERS[letter])]


def _grade_info(series: TargetSeries, _: float) -> Iterable[Point]:
    letter = _letter(series)
    return () if letter is None else [((letter,), 1)]


def _grade_objective(series: TargetSeries, _: float) -> Iterable[Point]:
    objective = series.target.tls.grade
    return () if objective is None else [((), GRADE_NUMBERS[objective])]


def _scores(series: TargetSeries, _: float) -> Iterable[Point]:
    grade = series.grade
    if grade is None:
        return ()
    return [
        (("protocol",), grade.protocol_score),
        (("key_exchange",), grade.key_exchange_score),
        (("cipher",), grade.cipher_score),
        (("total",), grade.total_score),
    ]


def _time(at: datetime | None) -> Iterable[Point]:
    return () if at is None else [((), at.timestamp())]


def _last_probe(series: TargetSeries, _: float) -> Iterable[Point]:
    return _time(None if series.last is None else series.last.started_at)


def _addresses(read: Callable[[AddressResult], float]) -> Callable[[TargetSeries, float], Iterable[Point]]:
    def points(series: TargetSeries, monotonic_seconds: float) -> Iterable[Point]:
        last = series.last
        if last is None or state_of(series.target, last, monotonic_seconds) is TargetState.UNKNOWN:
            return ()
        return [((each.ip,), read(each)) for each in last.addresses]

    return points


def _expiry(series: TargetSeries, _: float) -> Iterable[Point]:
    return _time(None if series.tls is None else series.tls.not_after)


def _verdicts(series: TargetSeries, _: float) -> Iterable[Point]:
    for name, _share, threshold_seconds in series.objectives:
        for verdict, outcome in (("good", "success"), ("bad", "failure")):
            found = series.outcomes[outcome] if threshold_seconds is None else series.slo_verdicts[name, verdict]
            yield (name, verdict), found


def _happened(count: int) -> Iterable[Point]:
    return [((), count)] if count else ()


READS: Mapping[str, Callable[[TargetSeries, float], Iterable[Point]]] = MappingProxyType(
    {
        "monitor_probe_phase_seconds_total": lambda series, _: [
            ((phase.value,), seconds) for phase, seconds in series.phase_seconds.items() if seconds
        ],
        "monitor_probe_address_success": _addresses(lambda each: each.ok),
        "monitor_probe_address_duration_seconds": _addresses(lambda each: each.duration_seconds),
        "monitor_probes_total": lambda series, _: [((name,), count) for name, count in series.outcomes.items()],
        "monitor_probe_failures_total": lambda series, _: [
            ((reason.value,), count) for reason, count in series.failures.items()
        ],
        "monitor_probes_suspect_total": lambda series, _: _happened(series.suspect),
        "monitor_target_late_probes_total": lambda series, _: _happened(series.late),
        "monitor_last_probe_timestamp_seconds": _last_probe,
        "monitor_target_state": _state,
        "monitor_target_info": _info,
        "monitor_target_interval_seconds": lambda series, _: [((), series.target.every.total_seconds())],
        "monitor_target_incident_opened_timestamp_seconds": _incident,
        "monitor_slo_objective_ratio": lambda series, _: [((name,), share) for name, share, _ in series.objectives],
        "monitor_slo_probes_total": _verdicts,
        "monitor_tls_grade": _grade,
        "monitor_tls_grade_info": _grade_info,
        "monitor_tls_grade_objective": _grade_objective,
        "monitor_tls_grade_timestamp_seconds": lambda series, _: _time(series.graded_at),
        "monitor_tls_score": _scores,
        "monitor_certificate_expiry_timestamp_seconds": _expiry,
    }
)
"""One row a metric of catalogue.TARGET_METRICS but the histogram: (series, monotonic now) -> points."""
