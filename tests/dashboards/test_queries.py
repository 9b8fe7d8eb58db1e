"""Every query of every dashboard, asked of a real Prometheus that scraped a real exposition."""

from __future__ import annotations

import itertools
import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from alerts.verdict import Level
from monitor.delivery import DeliveryStats
from monitor.metrics import Metrics
from monitor.store import OutboxStats
from probes.engine.pool import PoolStats
from tests.dashboards.boards import BOARDS, expressions, label_values, variables
from tests.support import fleet
from tests.support.prometheus import Prometheus, prometheus
from tests.support.wait import until


@pytest.fixture(scope="module")
def scraped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A fleet with a failing, a slow and a silent target, scraped while its counters move."""
    metrics = Metrics(fleet.TARGETS, region=fleet.REGION)
    metrics.set_pool(PoolStats(workers=2, alive=1, restarts=1, late_probes=4, dropped_results=0))
    metrics.set_outbox(OutboxStats(pending=2, parked=1, oldest_pending_seconds=12.5))
    metrics.set_incidents([fleet.incident()])
    metrics.count_incident(Level.PAGE)
    metrics.set_reload(ok=True, at=fleet.NOW)
    with exposed(metrics) as port, prometheus(port, tmp_path_factory.mktemp("prometheus")) as found:
        moving = "count(rate(monitor_pages_total[30s]) > 0) and count(rate(monitor_probes_total[30s]) > 0)"
        until(lambda: found.query(moving), seconds=30, what="a rate of every counter")
        yield found


@contextmanager
def exposed(metrics: Metrics) -> Iterator[int]:
    """The port of a /metrics whose counters move, by whole rounds only: shares in the dashboard come out exactly."""
    lock, stop = threading.Lock(), threading.Event()

    class Scrape(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with lock:
                body, content_type = metrics.render(self.headers.get("accept", ""))
            self.send_response(200)
            self.send_header("content-type", content_type)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Not into the test's output."""

    def move() -> None:
        for sent in itertools.count(1):
            if stop.wait(0.05):
                return
            with lock:
                metrics.observe(fleet.history())
                metrics.set_pages(DeliveryStats(sent=sent))

    server = ThreadingHTTPServer(("127.0.0.1", 0), Scrape)
    threads = [threading.Thread(target=server.serve_forever), threading.Thread(target=move)]
    for thread in threads:
        thread.start()
    try:
        yield server.server_port
    finally:
        stop.set()
        server.shutdown()
        server.server_close()
        for thread in threads:
            thread.join()


@pytest.mark.parametrize("name", BOARDS)
def test_every_panel_has_something_to_show(scraped: Prometheus, name: str) -> None:
    empty = [
        title
        for title, expr in expressions(BOARDS[name])
        if not any(math.isfinite(float(series["value"][1])) for series in scraped.query(expr))
    ]
    assert empty == []


@pytest.mark.parametrize("name", BOARDS)
def test_every_variable_has_values(scraped: Prometheus, name: str) -> None:
    found = {
        variable["name"]: scraped.label_values(*label_values(BOARDS[name], variable))
        for variable in variables(BOARDS[name])
        if variable["type"] == "query"
    }
    assert found["job"] == ["monitor"]
    assert found["region"] == [fleet.REGION]
    assert found["target"] == sorted(target.name for target in fleet.TARGETS)
    assert len(found["instance"]) == 1


def answers(scraped: Prometheus, title: str, *labels: str) -> dict[tuple[str, ...], float]:
    expr = dict(expressions(BOARDS["overview.json"]))[title]
    return {
        tuple(series["metric"][label] for label in labels): float(series["value"][1]) for series in scraped.query(expr)
    }


def test_the_overview_says_what_is_so(scraped: Prometheus) -> None:
    assert answers(scraped, "Failing targets A") == {(): 1}
    assert answers(scraped, "Unknown targets A") == {(): 1}
    assert answers(scraped, "Degraded now A", "target", "state") == {("shop", "failing"): 1, ("silent", "unknown"): 1}
    opened = answers(scraped, "Targets with an open incident A", "target", "level", "state")
    assert opened == {("shop", "page", "acknowledged"): fleet.incident().opened_at.timestamp() * 1000}
    assert answers(scraped, "Open incidents A", "level") == {("page",): 1, ("ticket",): 0}
    assert answers(scraped, "Workers probing A") == {(): 0.5}
    assert answers(scraped, "TLS grades A", "target", "grade") == {("shop", "B"): 1, ("payments", "A+"): 1}
    reasons = answers(scraped, "Failed probes by reason A", "reason")
    assert set(reasons) == {("refused",), ("status",)}
    assert reasons["refused",] == pytest.approx(5 * reasons["status",])
    success = answers(scraped, "Success ratio by target A", "target")
    assert success["shop",] == pytest.approx(34 / 40)
    assert success["payments",] == 1
    burn = answers(scraped, "Error budget burn rate A", "target", "slo")
    assert burn["shop", "availability"] == pytest.approx(6 / 40 / 0.001)
    assert burn["search", "p99"] == pytest.approx(36 / 40 / 0.01)
    assert burn["shop", "p99"] == 0
    phases = answers(scraped, "Where the time goes A", "phase")
    assert phases["processing",] > phases["connect",] > 0
    p50 = answers(scraped, "Median latency A", "target")
    p99 = answers(scraped, "p99 latency A", "target")
    assert 0.1 < p50["shop",] < p99["shop",] <= 0.2
    assert math.isnan(p50["silent",])


def test_blackbox_exporters_series_keep_their_own_job_and_instance(scraped: Prometheus) -> None:
    """Alerts written for blackbox_exporter look for these labels."""
    found = scraped.query('probe_success{job="monitor", instance="shop"} == 0 unless on (instance) up')
    assert [series["metric"]["target"] for series in found] == ["shop"]
    assert scraped.query("probe_ssl_earliest_cert_expiry - time() < 86400 * 3650")
