"""Lines of a target that change only when somebody says so: its settings, its grade, its incident."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType

from dashboards.catalogue import BY_NAME, GRADE_NUMBERS
from monitor.metrics.daemon_series import Point
from monitor.metrics.labels import escaped
from monitor.metrics.series import TargetSeries
from probes.target import Target


def objectives(target: Target) -> Iterable[tuple[str, float, float | None]]:
    """(name, share that must be good, threshold in seconds or None for availability)."""
    if target.slo is None:
        return
    if target.slo.availability is not None:
        yield "availability", target.slo.availability, None
    yield from target.slo.latency.objectives()


def _info(series: TargetSeries) -> Iterable[Point]:
    target = series.target
    return [((target.kind, target.severity, "" if target.runbook is None else target.runbook.name), 1)]


def _incident(series: TargetSeries) -> Iterable[Point]:
    incident = series.incident
    if incident is None:
        return ()
    return [((incident.level.value, incident.state.value), incident.opened_at.timestamp())]


def _letter(series: TargetSeries) -> str | None:
    grade = series.grade
    return None if grade is None or grade.letter not in GRADE_NUMBERS else grade.letter


def _grade(series: TargetSeries) -> Iterable[Point]:
    letter = _letter(series)
    return () if letter is None else [((), GRADE_NUMBERS[letter])]


def _grade_info(series: TargetSeries) -> Iterable[Point]:
    letter = _letter(series)
    return () if letter is None else [((letter,), 1)]


def _grade_objective(series: TargetSeries) -> Iterable[Point]:
    objective = series.target.tls.grade
    return () if objective is None else [((), GRADE_NUMBERS[objective])]


def _graded_at(series: TargetSeries) -> Iterable[Point]:
    return () if series.graded_at is None else [((), series.graded_at.timestamp())]


def _scores(series: TargetSeries) -> Iterable[Point]:
    grade = series.grade
    if grade is None:
        return ()
    return [
        (("protocol",), grade.protocol_score),
        (("key_exchange",), grade.key_exchange_score),
        (("cipher",), grade.cipher_score),
        (("total",), grade.total_score),
    ]


READS: Mapping[str, Callable[[TargetSeries], Iterable[Point]]] = MappingProxyType(
    {
        "monitor_target_info": _info,
        "monitor_target_interval_seconds": lambda series: [((), series.target.every.total_seconds())],
        "monitor_target_incident_opened_timestamp_seconds": _incident,
        "monitor_slo_objective_ratio": lambda series: [
            ((name,), share) for name, share, _ in objectives(series.target)
        ],
        "monitor_tls_grade": _grade,
        "monitor_tls_grade_info": _grade_info,
        "monitor_tls_grade_objective": _grade_objective,
        "monitor_tls_grade_timestamp_seconds": _graded_at,
        "monitor_tls_score": _scores,
    }
)


class Settled:
    """Those lines of some targets as they were rendered, until one of the targets says that something changed."""

    __slots__ = ("_kept", "_series")

    def __init__(self, series: Sequence[TargetSeries]) -> None:
        self._series = series
        self._kept: dict[str, bytes] = {}
        for one in series:
            one.settled = self

    def forget(self) -> None:
        # Another dict: what a scrape in another thread is rendering of before goes into the one before.
        self._kept = {}

    def lines(self, name: str) -> bytes:
        kept = self._kept
        if name not in kept:
            kept[name] = _rendered(name, self._series)
        return kept[name]


def _rendered(name: str, everything: Sequence[TargetSeries]) -> bytes:
    """Every line of one of these metrics."""
    read, labels = READS[name], BY_NAME[name].labels[2:]  # beyond those of the target
    lines = []
    for series in everything:
        for values, number in read(series):
            more = b"".join(
                b',%b="%b"' % (label.encode(), escaped(value)) for label, value in zip(labels, values, strict=True)
            )
            lines.append(b"%b{%b%b} %.14g\n" % (name.encode(), series.labels, more, number))
    return b"".join(lines)
