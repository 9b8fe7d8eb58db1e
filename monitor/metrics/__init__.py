"""What Prometheus scrapes: fed by the pipeline and the daemon, rendered by prometheus_client."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, choose_encoder, generate_latest
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from alerts.incident import Incident
from alerts.verdict import Level
from dashboards.catalogue import DAEMON_METRICS, PROBE_METRICS, TARGET_METRICS, Metric
from monitor.live import TargetState, state_of
from monitor.metrics import last_probe
from monitor.metrics.daemon_series import DaemonSeries
from monitor.metrics.target_series import READS, TargetSeries, histogram, printable
from probes.result import GradeFacts, ProbeResult
from probes.target import Target

if TYPE_CHECKING:
    from monitor.delivery import DeliveryStats
    from monitor.store import OutboxStats
    from probes.engine.pool import PoolStats

JOB = "monitor"


class Metrics(Collector):
    """Plain numbers while results come in; families are built only when scraped.

    `observe` and the setters belong to the event loop's thread; `render` may run in any thread.
    """

    def __init__(
        self,
        targets: Iterable[Target] = (),
        *,
        region: str,
        registry: CollectorRegistry | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._region = printable(region)
        self._monotonic = monotonic
        self._series: dict[tuple[str, str], TargetSeries] = {}
        self._targets: dict[str, Target] = {}
        self._daemon = DaemonSeries()
        self.registry = CollectorRegistry() if registry is None else registry
        self.replace(targets)
        self.registry.register(self)
        ProcessCollector(registry=self.registry)

    def replace(self, targets: Iterable[Target]) -> None:
        """The targets after a reload: those that stay keep their counters, the others' series vanish."""
        self._targets = {target.name: target for target in targets}
        kept = {key: series for key, series in self._series.items() if key[0] in self._targets}
        for (name, _), series in kept.items():
            series.retarget(self._targets[name])
        for name, target in self._targets.items():
            kept.setdefault((name, self._region), TargetSeries(target, self._region))
        self._series = kept

    def forget(self, target_name: str) -> None:
        """All series of one target vanish."""
        self.replace([target for target in self._targets.values() if target.name != target_name])

    def observe(self, batch: Sequence[ProbeResult]) -> None:
        """Results of targets that were removed meanwhile are passed over."""
        for result in batch:
            series = self._series.get((result.target, result.region)) or self._elsewhere(result)
            if series is not None:
                series.observe(result)

    def _elsewhere(self, result: ProbeResult) -> TargetSeries | None:
        target = self._targets.get(result.target)
        if target is None:
            return None
        region = printable(result.region)
        return self._series.setdefault((result.target, region), TargetSeries(target, region))

    def restore_grade(self, target_name: str, region: str, grade: GradeFacts, at: datetime) -> None:
        """A grade of before the restart, from the store: the next scan may be hours away."""
        series = self._series.get((target_name, region))
        if series is not None and series.grade is None:
            series.grade, series.graded_at = grade, at

    def set_incidents(self, open_incidents: Sequence[Incident]) -> None:
        """All incidents that are open now."""
        self._daemon.set_incidents(open_incidents)
        of_series = {(incident.target, incident.region): incident for incident in open_incidents}
        for key, series in self._series.items():
            series.incident = of_series.get(key)

    def count_incident(self, level: Level) -> None:
        """An incident was opened."""
        self._daemon.add("monitor_incidents_total", (level.value,))

    def set_pages(self, stats: DeliveryStats) -> None:
        """Tries to hand an event to a pager, by how they ended, since the start."""
        for outcome, count in (("sent", stats.sent), ("retried", stats.retries), ("parked", stats.parked)):
            self._daemon.set("monitor_pages_total", count, (outcome,))

    def set_pool(self, stats: PoolStats) -> None:
        self._daemon.set("monitor_workers", stats.workers)
        self._daemon.set("monitor_workers_alive", stats.alive)
        self._daemon.set("monitor_worker_restarts_total", stats.restarts)
        self._daemon.set("monitor_probes_late_total", stats.late_probes)
        self._daemon.set("monitor_results_dropped_total", stats.dropped_results, ("worker",))

    def set_history_dropped(self, count: int) -> None:
        """Raw results that the history had no room for, since the start."""
        self._daemon.set("monitor_results_dropped_total", count, ("history",))

    def set_outbox(self, stats: OutboxStats) -> None:
        self._daemon.set("monitor_outbox_pending", stats.pending)
        self._daemon.set("monitor_outbox_parked", stats.parked)
        self._daemon.set("monitor_outbox_oldest_pending_seconds", stats.oldest_pending_seconds or 0.0)

    def set_reload(self, *, ok: bool, at: datetime) -> None:
        """The settings were read at the start, by SIGHUP or by /-/reload."""
        self._daemon.set_reload(ok=ok, at=at)

    def set_clock_step(self, seconds: float) -> None:
        self._daemon.set("monitor_clock_step_seconds", seconds)

    def render(self, accept: str = "") -> tuple[bytes, str]:
        """(body, content type): OpenMetrics or the text format, as the Accept header asks."""
        try:
            encode, content_type = choose_encoder(accept)
        except (TypeError, ValueError):  # what it says is a version is none
            encode, content_type = generate_latest, CONTENT_TYPE_PLAIN_0_0_4
        return encode(self.registry), content_type

    def describe(self) -> Iterable[Family]:
        """Names for the registry, which would otherwise collect everything to learn them."""
        families = [*map(_family, PROBE_METRICS), *(_target_family(metric, [], 0.0) for metric in TARGET_METRICS)]
        return [*families, *map(_family, DAEMON_METRICS)]

    def collect(self) -> Iterable[Family]:
        now = self._monotonic()
        everything = list(self._series.values())
        known = [
            (series, series.last, (JOB, series.target.name, series.target.name, series.region))
            for series in everything
            if series.last is not None and state_of(series.target, series.last, now) is not TargetState.UNKNOWN
        ]
        for metric in PROBE_METRICS:
            family = _family(metric)
            for series, last, base in known:
                for labels, value in last_probe.points(metric.name, series.target, last):
                    family.add_metric((*base, *labels), value)
            yield family
        for metric in TARGET_METRICS:
            yield _target_family(metric, everything, now)
        for metric in DAEMON_METRICS:
            family = _family(metric)
            for labels, value in self._daemon.points(metric.name):
                family.add_metric(labels, value)
            yield family


def _target_family(metric: Metric, everything: list[TargetSeries], now: float) -> Family:
    if metric.type == "histogram":
        return _histogram_family(metric, everything)
    family = _family(metric)
    read = READS[metric.name]
    for series in everything:
        for labels, value in read(series, now):
            family.add_metric((series.target.name, series.region, *labels), value)
    return family


def _histogram_family(metric: Metric, everything: list[TargetSeries]) -> HistogramMetricFamily:
    family = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
    for series in everything:
        buckets, total = histogram(series)
        family.add_metric((series.target.name, series.region), buckets, total)
    return family


def _family(metric: Metric) -> CounterMetricFamily | GaugeMetricFamily:
    if metric.type == "counter":
        return CounterMetricFamily(metric.name, metric.help, labels=metric.labels)
    return GaugeMetricFamily(metric.name, metric.help, labels=metric.labels)
