"""The daemon's own numbers: what it is told of its parts, turned into series when they are scraped."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from datetime import datetime
from importlib.metadata import version

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from alerts.incident import Incident, IncidentState
from alerts.verdict import Level
from dashboards.catalogue import DAEMON_METRICS, Metric

Point = tuple[tuple[str, ...], float]
"""The values of the labels that a series has beyond those of its target, and the number."""

OPEN_STATES = (IncidentState.TRIGGERED, IncidentState.ACKNOWLEDGED)
PAGE_OUTCOMES = ("sent", "retried", "parked")


class DaemonSeries(Collector):
    """Keeps the newest value of each series; every label value that can be known is there from the start."""

    def __init__(self) -> None:
        build = (version("monitor-oncall"), platform.python_version())
        self._values: dict[str, dict[tuple[str, ...], float]] = {
            "monitor_build_info": {build: 1},
            "monitor_results_dropped_total": {("worker",): 0, ("history",): 0},
            "monitor_incidents_open": {(level.value, state.value): 0 for level in Level for state in OPEN_STATES},
            "monitor_incidents_total": {(level.value,): 0 for level in Level},
            "monitor_pages_total": {(outcome,): 0 for outcome in PAGE_OUTCOMES},
        }

    def set(self, name: str, value: float, labels: tuple[str, ...] = ()) -> None:
        self._values.setdefault(name, {})[labels] = value

    def add(self, name: str, labels: tuple[str, ...]) -> None:
        self._values[name][labels] += 1

    def set_incidents(self, open_incidents: Iterable[Incident]) -> None:
        counts = dict.fromkeys(self._values["monitor_incidents_open"], 0.0)
        for incident in open_incidents:
            counts[incident.level.value, incident.state.value] += 1
        self._values["monitor_incidents_open"] = counts

    def set_reload(self, *, ok: bool, at: datetime) -> None:
        self.set("monitor_config_last_reload_successful", ok)
        if ok:
            self.set("monitor_config_last_reload_success_timestamp_seconds", at.timestamp())

    def collect(self) -> Iterable[CounterMetricFamily | GaugeMetricFamily]:
        """No sample of a number that nobody has told yet: 0 would claim to know."""
        for metric in DAEMON_METRICS:
            family = _family(metric)
            for labels, value in list(self._values.get(metric.name, {}).items()):
                family.add_metric(labels, value)
            yield family


def _family(metric: Metric) -> CounterMetricFamily | GaugeMetricFamily:
    if metric.type == "counter":
        return CounterMetricFamily(metric.name, metric.help, labels=metric.labels)
    return GaugeMetricFamily(metric.name, metric.help, labels=metric.labels)
