"""What Prometheus scrapes.

What is counted of targets stands in tallies (probes/engine/tally.py). The workers count in tallies of their own, which
the daemon makes with LATENCY_BUCKETS_SECONDS and names here, with the row of each target:

    metrics.replace(targets)                        # at a reload, before the workers hear of it
    metrics.attach([(tally, rows), ...])            # at the start and after each reload: every worker's, all at once

Of the results of such a target `observe` then takes only what is text: TLS version, cipher, fingerprint, and the grade.
Results that no attached tally counts (of other regions; of targets without a row) are counted in a tally of our own.

A scrape reads the columns and renders hundreds of targets at a time. The daemon's own numbers are prometheus_client's.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, choose_encoder, generate_latest

from alerts.incident import Incident
from alerts.verdict import Level
from monitor.metrics.daemon_series import DaemonSeries
from monitor.metrics.exposition import exposition
from monitor.metrics.fleet import Fleet
from probes.engine.tally import Tally
from probes.result import GradeFacts, ProbeResult
from probes.target import Target

if TYPE_CHECKING:
    from monitor.delivery import DeliveryStats
    from monitor.store import OutboxStats
    from probes.engine.pool import PoolStats


class Metrics:
    """`observe` and the setters belong to the event loop's thread; a scrape may be rendered in any thread."""

    def __init__(
        self,
        targets: Iterable[Target] = (),
        *,
        region: str,
        registry: CollectorRegistry | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._monotonic = monotonic
        self._fleet = Fleet(region)
        self._fleet.replace(targets)
        self._daemon = DaemonSeries()
        self._registry = CollectorRegistry() if registry is None else registry
        self._registry.register(self._daemon)
        ProcessCollector(registry=self._registry)

    def replace(self, targets: Iterable[Target]) -> None:
        """The targets after a reload: those that stay keep their counters, the others' series vanish."""
        self._fleet.replace(targets)

    def attach(self, tallies: Iterable[tuple[Tally, Mapping[str, int]]]) -> None:
        """Every tally that this region's workers count in from now on, with the rows of its targets."""
        self._fleet.attach(tallies)

    def observe(self, batch: Sequence[ProbeResult]) -> None:
        """Results of targets that were removed meanwhile are passed over."""
        self._fleet.observe(batch)

    def restore_grade(self, target_name: str, region: str, grade: GradeFacts, at: datetime) -> None:
        """A grade of before the restart, from the store: the next scan may be hours away."""
        series = self._fleet.get(target_name, region)
        if series is not None and series.grade is None:
            series.take_grade(grade, at)

    def set_incidents(self, open_incidents: Sequence[Incident]) -> None:
        """All incidents that are open now."""
        self._daemon.set_incidents(open_incidents)
        self._fleet.set_incidents(open_incidents)

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

    def scrape(self, accept: str = "") -> tuple[Iterator[bytes], str]:
        """(the body in small pieces, content type): OpenMetrics or the text format, as the Accept header asks."""
        try:
            encode, content_type = choose_encoder(accept)
        except (TypeError, ValueError):  # what it says is a version is none
            encode, content_type = generate_latest, CONTENT_TYPE_PLAIN_0_0_4
        return self._pieces(encode, openmetrics=content_type.startswith("application/openmetrics-text")), content_type

    def _pieces(self, encode: Callable[[CollectorRegistry], bytes], *, openmetrics: bool) -> Iterator[bytes]:
        yield from exposition(self._fleet.blocks(), self._monotonic(), openmetrics=openmetrics)
        yield encode(self._registry)  # last: OpenMetrics ends with a word that the library writes

    def render(self, accept: str = "") -> tuple[bytes, str]:
        """(the whole body, content type)."""
        pieces, content_type = self.scrape(accept)
        return b"".join(pieces), content_type
