"""Metrics over tallies that real processes write."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from dashboards.catalogue import LATENCY_BUCKETS_SECONDS
from monitor.metrics import Metrics
from monitor.metrics.fleet import FIRST_ROWS
from probes.engine.tally import Rows, Tally
from probes.result import FailureReason, ProbeResult
from probes.target import Target
from tests.monitor.test_metrics import value
from tests.support import fleet
from tests.support.counting import CountingProcess

NAMES = [target.name for target in fleet.TARGETS]


class Worker:
    """A tally with rows of every target of the fleet, and the process that writes it."""

    def __init__(self) -> None:
        self.tally, self.rows = Tally.make(LATENCY_BUCKETS_SECONDS, shared=True), Rows().assign(NAMES)
        self.process = CountingProcess(self.tally, self.rows, fleet.TARGETS)


@pytest.fixture
def worker() -> Iterator[Worker]:
    worker = Worker()
    yield worker
    worker.process.end()


def attached(worker: Worker) -> Metrics:
    metrics = Metrics(fleet.TARGETS, region=fleet.REGION)
    metrics.attach([(worker.tally, worker.rows)])
    return metrics


def lines_of_targets(metrics: Metrics) -> set[bytes]:
    return {line for line in metrics.render()[0].splitlines() if b'target="' in line}


def test_a_scrape_of_workers_tallies_is_the_one_of_results(worker: Worker) -> None:
    """Whether the results are counted by the worker or here, the same is exposed."""
    seen = fleet.history()
    metrics, here = attached(worker), Metrics(fleet.TARGETS, region=fleet.REGION)
    worker.process.count(*seen)
    for one in (metrics, here):
        one.observe(seen)
    assert lines_of_targets(metrics) == lines_of_targets(here)
    assert value(metrics, "monitor_probes_total", target="shop", outcome="success") == 34
    body = metrics.render("application/openmetrics-text;version=1.0.0")[0].decode()
    assert "monitor_probe_failures" in {family.name for family in parse_openmetrics(body)}


def test_the_words_of_a_session_come_with_the_results(worker: Worker) -> None:
    metrics, result = attached(worker), fleet.result("payments")
    worker.process.count(result)
    assert value(metrics, "probe_ssl_earliest_cert_expiry", target="payments") is None
    assert value(metrics, "probe_success", target="payments") == 1
    metrics.observe([result])
    assert value(metrics, "probe_ssl_earliest_cert_expiry", target="payments") == fleet.tls().not_after.timestamp()
    assert value(metrics, "probe_tls_version_info", target="payments", version="TLS 1.3") == 1
    assert value(metrics, "monitor_probes_total", target="payments", outcome="success") == 1, "counted once"


def test_counters_survive_a_worker_that_is_killed(worker: Worker) -> None:
    metrics = attached(worker)
    worker.process.count(fleet.result("shop"), fleet.result("shop", fails=FailureReason.DNS))
    worker.process.process.kill()
    worker.process.process.join(30)
    assert value(metrics, "monitor_probe_failures_total", target="shop", reason="dns") == 1
    worker.process = CountingProcess(worker.tally, worker.rows, fleet.TARGETS)
    worker.process.count(fleet.result("shop"))
    assert value(metrics, "monitor_probes_total", target="shop", outcome="success") == 2


def test_a_row_that_its_worker_has_not_claimed_yet_shows_nothing_of_whose_it_was(worker: Worker) -> None:
    worker.process.count(fleet.result("shop"))
    new = Target(name="new", url="https://new.example.com/")
    metrics = Metrics([*fleet.TARGETS[1:], new], region=fleet.REGION)
    metrics.attach([(worker.tally, Rows().assign(["new", *NAMES[1:]]))])  # the row that is still the shop's
    assert value(metrics, "monitor_probes_total", target="new", outcome="success") == 0
    assert value(metrics, "monitor_target_state", target="new", state="unknown") == 1
    assert value(metrics, "probe_success", target="new") is None
    worker.tally.claim(worker.rows["shop"], new)
    worker.tally.record(worker.rows["shop"], replace(fleet.result("shop"), target="new"))
    assert value(metrics, "monitor_probes_total", target="new", outcome="success") == 1


def test_other_regions_and_targets_without_a_row_are_counted_here(worker: Worker) -> None:
    metrics = Metrics(fleet.TARGETS, region=fleet.REGION)
    metrics.attach([(worker.tally, {name: row for name, row in worker.rows.items() if name != "search"})])
    seen: list[ProbeResult] = [fleet.result("search"), fleet.result("shop", region="us"), fleet.result("shop")]
    worker.process.count(seen[2])
    metrics.observe(seen)
    assert value(metrics, "monitor_probes_total", target="search", outcome="success") == 1
    assert value(metrics, "monitor_probes_total", target="shop", region="us", outcome="success") == 1
    assert value(metrics, "monitor_probes_total", target="shop", region=fleet.REGION, outcome="success") == 1
    metrics.attach([])
    metrics.observe([fleet.result("shop")])
    assert value(metrics, "monitor_probes_total", target="shop", region=fleet.REGION, outcome="success") == 1


def test_a_histogram_agrees_with_itself_while_it_is_written(worker: Worker) -> None:
    metrics, batch = attached(worker), [fleet.result("payments", seconds=n / 100) for n in range(2000)]
    worker.process.begin(*batch)
    rounds = 0
    while not worker.process.answered() or rounds == 0:
        rounds += 1
        (family,) = (
            family
            for family in parse_text(metrics.render()[0].decode())
            if family.name == "monitor_probe_duration_seconds"
        )
        mine = [sample for sample in family.samples if sample.labels["target"] == "payments"]
        buckets = [sample.value for sample in mine if sample.name.endswith("_bucket")]
        assert buckets == sorted(buckets)
        assert buckets[-1] == next(sample.value for sample in mine if sample.name.endswith("_count"))
    assert value(metrics, "monitor_probe_duration_seconds_count", target="payments") == 2000


def test_more_regions_than_there_was_room_for() -> None:
    metrics = Metrics(fleet.TARGETS, region=fleet.REGION)
    regions = [f"r{number}" for number in range(FIRST_ROWS + 100)]
    metrics.observe([fleet.result("search", region=region) for region in regions])
    metrics.observe([fleet.result("search", region=region) for region in regions[::2]])
    lines = metrics.render()[0].decode().splitlines()
    counted = [
        line.partition('region="')[2].partition('"')[0] + line.rpartition("}")[2]
        for line in lines
        if line.startswith("monitor_probes_total{") and 'outcome="success"' in line and fleet.REGION not in line
    ]
    assert sorted(counted) == sorted(f"{region} {2 - number % 2}" for number, region in enumerate(regions))
