"""What a scrape must say of targets, told the plain way: results in, prometheus_client's own families out.

The renderer of monitor/metrics is tested against it. It is slow, and it shares no code with what it is to check but the
catalogue's names and texts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from alerts.incident import Incident
from dashboards.catalogue import PROBE_METRICS, TARGET_METRICS, Metric
from monitor.live import TargetState, state_of
from monitor.metrics.labels import printable
from probes.result import GradeFacts, ProbeResult
from probes.target import Target
from tests.support.reference import last_probe
from tests.support.reference.target_series import READS, TargetSeries, histogram


class Reference(Collector):
    """Fed as `monitor.metrics.Metrics` is. `now` is the monotonic time of the scrape."""

    def __init__(self, targets: Iterable[Target], region: str) -> None:
        self.now = 0.0
        self._region = printable(region)
        self._series: dict[tuple[str, str], TargetSeries] = {}
        self.replace(targets)

    def replace(self, targets: Iterable[Target]) -> None:
        self._targets = {target.name: target for target in targets}
        kept = {key: series for key, series in self._series.items() if key[0] in self._targets}
        for (name, _), series in kept.items():
            series.retarget(self._targets[name])
        for name, target in self._targets.items():
            kept.setdefault((name, self._region), TargetSeries(target, self._region))
        self._series = kept

    def observe(self, batch: Sequence[ProbeResult]) -> None:
        for result in batch:
            target, region = self._targets.get(result.target), printable(result.region)
            if target is not None:
                self._series.setdefault((target.name, region), TargetSeries(target, region)).observe(result)

    def restore_grade(self, target_name: str, region: str, grade: GradeFacts, at: datetime) -> None:
        series = self._series.get((target_name, region))
        if series is not None and series.grade is None:
            series.grade, series.graded_at = grade, at

    def set_incidents(self, open_incidents: Sequence[Incident]) -> None:
        of_series = {(incident.target, incident.region): incident for incident in open_incidents}
        for key, series in self._series.items():
            series.incident = of_series.get(key)

    def collect(self) -> Iterable[Family]:
        everything = list(self._series.values())
        for metric in PROBE_METRICS:
            family = _family(metric)
            for series in everything:
                last = series.last
                if last is not None and state_of(series.target, last, self.now) is not TargetState.UNKNOWN:
                    name = series.target.name
                    for labels, value in last_probe.points(metric.name, series.target, last):
                        family.add_metric(("monitor", name, name, series.region, *labels), value)
            yield family
        for metric in TARGET_METRICS:
            yield self._of_targets(metric, everything)

    def _of_targets(self, metric: Metric, everything: list[TargetSeries]) -> Family:
        if metric.type == "histogram":
            histograms = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
            for series in everything:
                buckets, total = histogram(series)
                histograms.add_metric((series.target.name, series.region), buckets, total)
            return histograms
        family = _family(metric)
        for series in everything:
            for labels, value in READS[metric.name](series, self.now):
                family.add_metric((series.target.name, series.region, *labels), value)
        return family


def _family(metric: Metric) -> CounterMetricFamily | GaugeMetricFamily:
    if metric.type == "counter":
        return CounterMetricFamily(metric.name, metric.help, labels=metric.labels)
    return GaugeMetricFamily(metric.name, metric.help, labels=metric.labels)
