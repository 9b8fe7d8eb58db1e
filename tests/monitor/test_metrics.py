from __future__ import annotations

import subprocess
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from prometheus_client.samples import Sample

from alerts.verdict import Level
from dashboards.catalogue import BY_NAME, CATALOGUE, LABELS, PROCESS_METRICS
from monitor.delivery import DeliveryStats
from monitor.metrics import Metrics
from monitor.store import OutboxStats
from probes.engine.pool import PoolStats
from probes.result import FailureReason, GradeFacts, HttpFacts, Phase
from probes.target import Target
from tests.support import fleet
from tests.support.process import program

SUFFIXES = {"histogram": ("_bucket", "_sum", "_count"), "counter": ("",), "gauge": ("",)}


def fed() -> Metrics:
    """Metrics in which every series of the catalogue has been given something to show."""
    metrics = Metrics(fleet.TARGETS, region=fleet.REGION)
    metrics.observe(fleet.history())
    metrics.observe([replace(fleet.result("database"), suspect=True, late_seconds=0.5)])
    metrics.set_incidents([fleet.incident()])
    metrics.count_incident(Level.PAGE)
    metrics.set_pages(DeliveryStats(sent=1))
    metrics.set_pool(PoolStats(workers=2, alive=1, restarts=3, late_probes=4, dropped_results=5))
    metrics.set_outbox(OutboxStats(pending=2, parked=1, oldest_pending_seconds=12.5))
    metrics.set_history_dropped(6)
    metrics.set_reload(ok=True, at=fleet.NOW)
    metrics.set_clock_step(-3.5)
    return metrics


def samples(metrics: Metrics) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    body, _ = metrics.render()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in parse_text(body.decode())
        for sample in family.samples
    }


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    """The one sample of that name whose labels include `labels`; None when there is none."""
    found = [number for (key, have), number in samples(metrics).items() if key == name and set(labels.items()) <= have]
    assert len(found) <= 1, f"{name}{labels} is not one series but {len(found)}"
    return found[0] if found else None


def test_what_is_exposed_is_the_catalogue_exactly() -> None:
    body, _ = fed().render()
    exposed = {}
    for family in parse_text(body.decode()):
        name = family.name + ("_total" if family.type == "counter" else "")
        labels = {frozenset(sample.labels) - {"le"} for sample in family.samples}
        assert {sample.name for sample in family.samples} == {name + suffix for suffix in SUFFIXES[family.type]}
        exposed[name] = (family.type, family.documentation, labels)
    assert set(exposed) == set(BY_NAME)
    of_the_library = {metric.name for metric in PROCESS_METRICS}
    for metric in CATALOGUE:
        kind, text, labels = exposed[metric.name]
        assert (kind, labels) == (metric.type, {frozenset(metric.labels)}), metric.name
        assert metric.name in of_the_library or text == metric.help


def test_every_reason_and_phase_is_in_the_catalogues_words() -> None:
    for label, names in (("reason", FailureReason), ("phase", Phase)):
        assert [name for name in names if f"`{name}`" not in LABELS[label]] == []


@pytest.mark.parametrize(
    ("reason", "regex"), [(FailureReason.BODY, 1), (FailureReason.HEADER, 1), (FailureReason.JSON, 0)]
)
def test_a_pattern_that_failed_is_told_of_body_and_header(reason: FailureReason, regex: int) -> None:
    metrics = Metrics(fleet.TARGETS, region=fleet.REGION)
    target = next(target for target in fleet.TARGETS if target.kind == "http")
    http = HttpFacts(status_code=200, version="1.1", redirects=0, body_bytes=9, content_length=9)
    metrics.observe([replace(fleet.result(target.name, fails=reason), http=http)])
    assert value(metrics, "probe_failed_due_to_regex", target=target.name) == regex
    assert value(metrics, "probe_http_uncompressed_body_length", target=target.name) == 9
    assert value(metrics, "probe_http_last_modified_timestamp_seconds", target=target.name) is None


@pytest.mark.parametrize("metrics", [fed(), Metrics(region="none")], ids=["fed", "empty"])
def test_promtool_accepts_the_exposition(metrics: Metrics) -> None:
    body, _ = metrics.render()
    checked = subprocess.run([program("promtool"), "check", "metrics"], input=body, capture_output=True, check=False)
    assert (checked.returncode, checked.stderr.decode()) == (0, "")


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", "text/plain; version=0.0.4; charset=utf-8"),
        ("text/html", "text/plain; version=0.0.4; charset=utf-8"),
        ("application/openmetrics-text;version=1.0.0,text/plain;q=0.5", "application/openmetrics-text; version=1.0.0"),
        ("application/openmetrics-text;version=nonsense", "text/plain; version=0.0.4; charset=utf-8"),
    ],
)
def test_the_accept_header_chooses_the_format(accept: str, content_type: str) -> None:
    body, answered = fed().render(accept)
    assert answered.startswith(content_type)
    parse = parse_openmetrics if "openmetrics" in content_type else parse_text
    assert "probe_success" in {family.name for family in parse(body.decode())}


@given(st.text(min_size=1, max_size=30))
def test_any_name_is_escaped(name: str) -> None:
    hostile = fleet.TARGETS[0].model_copy(update={"name": name, "runbook": Path("r") / name.replace("/", "")})
    metrics = Metrics([hostile], region=name)
    metrics.observe([replace(fleet.result("shop"), target=name, region=name)])
    body, _ = metrics.render()
    names = {s.labels["target"] for family in parse_text(body.decode()) for s in family.samples if "target" in s.labels}
    assert names == {name}


def test_quotes_line_breaks_and_half_characters_do_not_break_a_scrape() -> None:
    name = 'a"b\\c\nd{}'
    target = fleet.TARGETS[0].model_copy(update={"name": name, "runbook": Path("\udcff.md")})
    assert value(Metrics([target], region="r"), "monitor_target_info", target=name, runbook="?.md") == 1


def test_outcomes_reasons_and_latency_are_counted() -> None:
    metrics = fed()
    assert value(metrics, "monitor_probes_total", target="shop", outcome="success") == 34
    assert value(metrics, "monitor_probes_total", target="shop", outcome="failure") == 6
    assert value(metrics, "monitor_probe_failures_total", target="shop", reason="refused") == 5
    assert value(metrics, "monitor_probe_failures_total", target="shop", reason="status") == 1
    assert value(metrics, "monitor_probe_failures_total", target="payments", reason="status") is None
    assert value(metrics, "monitor_probe_duration_seconds_count", target="shop") == 34
    assert value(metrics, "monitor_probe_duration_seconds_bucket", target="database", le="0.005") == 27
    assert value(metrics, "monitor_probe_duration_seconds_sum", target="names") == pytest.approx(40 * 0.02 + 8 * 0.01)
    assert value(metrics, "monitor_probe_phase_seconds_total", target="names", phase="request") == pytest.approx(0.792)


def test_objectives_are_counted_as_they_are_defined() -> None:
    metrics = fed()

    def counted(target: str, slo: str) -> tuple[float | None, ...]:
        return tuple(
            value(metrics, "monitor_slo_probes_total", target=target, slo=slo, verdict=verdict)
            for verdict in ("good", "bad")
        )

    assert counted("shop", "availability") == (34, 6)
    assert counted("shop", "p99") == (34, 0), "a failed probe is not slow, it failed"
    assert counted("search", "p99") == (4, 36)
    assert value(metrics, "monitor_slo_objective_ratio", target="shop", slo="availability") == 0.999


def test_what_the_prober_was_slow_at_is_an_outcome_but_no_latency() -> None:
    metrics = Metrics(fleet.TARGETS, region=fleet.REGION)
    metrics.observe([replace(fleet.result("search", seconds=seconds), suspect=True) for seconds in (0.02, 2.0)])
    metrics.observe([replace(fleet.result("search", fails=FailureReason.TIMEOUT), suspect=True)])
    assert value(metrics, "monitor_probes_suspect_total", target="search") == 3
    assert value(metrics, "monitor_probes_total", target="search", outcome="success") == 2
    assert value(metrics, "monitor_probes_total", target="search", outcome="failure") == 1
    assert value(metrics, "monitor_probe_duration_seconds_count", target="search") == 0
    assert value(metrics, "monitor_probe_phase_seconds_total", target="search", phase="connect") is None
    for verdict in ("good", "bad"):
        assert value(metrics, "monitor_slo_probes_total", target="search", slo="p99", verdict=verdict) == 0


def test_what_never_happened_has_no_series_but_every_outcome_starts_at_0() -> None:
    metrics = Metrics(fleet.TARGETS, region=fleet.REGION)
    names = {name for name, labels in samples(metrics) if ("target", "shop") in labels}
    assert names == {
        "monitor_probe_duration_seconds_bucket",
        "monitor_probe_duration_seconds_sum",
        "monitor_probe_duration_seconds_count",
        "monitor_probes_total",
        "monitor_slo_probes_total",
        "monitor_slo_objective_ratio",
        "monitor_target_state",
        "monitor_target_info",
        "monitor_target_interval_seconds",
        "monitor_tls_grade_objective",
    }
    for outcome in ("success", "failure", "internal"):
        assert value(metrics, "monitor_probes_total", target="shop", outcome=outcome) == 0


def test_a_reprobe_is_the_newest_probe_and_part_of_no_rate() -> None:
    metrics = Metrics(fleet.TARGETS, region=fleet.REGION)
    metrics.observe([fleet.result("search"), replace(fleet.result("search", fails=FailureReason.RESET), reprobe=True)])
    assert value(metrics, "probe_success", target="search") == 0
    assert value(metrics, "monitor_probes_total", target="search", outcome="failure") == 0
    assert value(metrics, "monitor_probe_failures_total", target="search") is None


def test_the_last_probe_is_as_blackbox_exporter_shows_it() -> None:
    metrics = fed()
    expected = {
        ("payments", "probe_success"): 1,
        ("payments", "probe_http_ssl"): 1,
        ("payments", "probe_http_status_code"): 200,
        ("payments", "probe_http_version"): 1.1,
        ("payments", "probe_ip_protocol"): 4,
        ("payments", "probe_ssl_earliest_cert_expiry"): fleet.tls().not_after.timestamp(),
        ("shop", "probe_success"): 0,
        ("shop", "probe_http_status_code"): 0,
        ("shop", "probe_http_content_length"): -1,
        ("shop", "probe_ssl_earliest_cert_expiry"): None,
        ("shop", "monitor_certificate_expiry_timestamp_seconds"): fleet.tls().not_after.timestamp(),
        ("names", "probe_dns_answer_rrs"): 2,
        ("names", "probe_dns_query_succeeded"): 1,
        ("stock", "probe_grpc_status_code"): 0,
        ("stock", "probe_grpc_ssl"): 0,
        ("chat", "probe_websocket_status_code"): 101,
        ("chat", "probe_websocket_connection_upgraded"): 1,
        ("chat", "probe_websocket_failed_due_to_regex"): 0,
        ("chat", "probe_http_status_code"): None,
        ("search", "monitor_probe_address_success"): None,
        ("database", "probe_success"): 1,
        ("database", "probe_http_status_code"): None,
        ("silent", "probe_success"): None,
    }
    assert {(target, name): value(metrics, name, target=target) for target, name in expected} == expected
    assert value(metrics, "probe_success", target="shop", instance="shop", job="monitor") == 0
    of_one = {"target": "names", "address": "2001:db8::10"}
    assert value(metrics, "monitor_probe_address_success", **of_one) == 1
    assert (
        value(metrics, "monitor_probe_address_duration_seconds", **of_one)
        == value(metrics, "probe_duration_seconds", target="names") / 2
    )


def test_a_grpc_call_is_as_blackbox_exporter_shows_it() -> None:
    metrics = fed()
    served = {
        status: value(metrics, "probe_grpc_healthcheck_response", target="stock", serving_status=status)
        for status in ("SERVING", "NOT_SERVING", "UNKNOWN", "SERVICE_UNKNOWN")
    }
    assert served == {"SERVING": 1, "NOT_SERVING": 0, "UNKNOWN": 0, "SERVICE_UNKNOWN": 0}
    last = fleet.result("stock", seconds=0.1)
    metrics.observe([last])
    phases = {
        phase: value(metrics, "probe_grpc_duration_seconds", target="stock", phase=phase)
        for phase in ("resolve", "check")
    }
    assert phases == pytest.approx({"resolve": 0.005, "check": 0.07})
    for reason, status in ((FailureReason.REFUSED, 14), (FailureReason.TIMEOUT, 4)):
        metrics.observe([fleet.result("stock", fails=reason)])
        assert value(metrics, "probe_grpc_status_code", target="stock") == status
        assert value(metrics, "probe_grpc_healthcheck_response", target="stock", serving_status="SERVING") == 0


def test_no_fresh_result_and_our_own_fault_are_neither_up_nor_down() -> None:
    now = [1000.0]
    metrics = Metrics(fleet.TARGETS, region=fleet.REGION, monotonic=lambda: now[0])
    metrics.observe([fleet.result("shop", monotonic=1000.0), fleet.result("search", monotonic=1000.0)])
    metrics.observe([fleet.result("search", monotonic=1000.0, fails=FailureReason.INTERNAL)])
    assert value(metrics, "probe_success", target="shop") == 1
    assert value(metrics, "probe_success", target="search") is None
    assert value(metrics, "monitor_probes_total", target="search", outcome="internal") == 1
    assert value(metrics, "monitor_slo_probes_total", target="search", verdict="bad") == 1, "the first result only"
    now[0] = 1036.0  # three intervals of 10 s and the timeout of 5 s have gone by
    assert value(metrics, "probe_success", target="shop") is None
    assert value(metrics, "monitor_target_state", target="shop", state="unknown") == 1
    assert value(metrics, "monitor_target_state", target="shop", state="ok") == 0


def test_a_removed_targets_series_vanish_and_the_others_go_on_counting() -> None:
    metrics = fed()
    metrics.replace([target for target in fleet.TARGETS if target.name != "shop"])
    metrics.observe([fleet.result("shop"), fleet.result("payments")])
    assert not [key for key, labels in samples(metrics) if ("target", "shop") in labels]
    assert value(metrics, "monitor_probes_total", target="payments", outcome="success") == 41


def test_a_reload_takes_new_objectives_and_drops_old_ones() -> None:
    metrics = fed()
    changed = Target.model_validate(
        {"name": "search", "url": "http://search.example.com/", "slo": {"availability": "99%"}, "every": "1m"}
    )
    metrics.replace([changed])
    assert value(metrics, "monitor_slo_probes_total", target="search", slo="p99", verdict="bad") is None
    assert value(metrics, "monitor_slo_probes_total", target="search", slo="availability", verdict="good") == 40
    assert value(metrics, "monitor_target_interval_seconds", target="search") == 60
    assert value(metrics, "monitor_probes_total", target="search", outcome="success") == 40


def test_another_regions_results_are_series_of_their_own() -> None:
    metrics = fed()
    metrics.observe([fleet.result("payments", region="us-east")])
    assert value(metrics, "monitor_probes_total", target="payments", region="us-east", outcome="success") == 1
    assert value(metrics, "monitor_probes_total", target="payments", region=fleet.REGION, outcome="success") == 40


def test_the_tls_grade_is_a_number_a_label_and_scores() -> None:
    metrics = fed()
    assert value(metrics, "monitor_tls_grade", target="shop") == 5
    assert value(metrics, "monitor_tls_grade_objective", target="shop") == 7
    assert value(metrics, "monitor_tls_grade_info", target="payments", grade="A+") == 1
    assert value(metrics, "monitor_tls_score", target="shop", category="key_exchange") == 90


def test_a_grade_from_the_store_gives_way_to_a_newer_one() -> None:
    metrics, stored = Metrics(fleet.TARGETS, region=fleet.REGION), fleet.graded("shop", "C").grade
    assert stored is not None
    for target in ("shop", "no-such-target"):
        metrics.restore_grade(target, fleet.REGION, stored, fleet.NOW)
    assert value(metrics, "monitor_tls_grade", target="shop") == 4
    assert value(metrics, "monitor_tls_grade_timestamp_seconds", target="shop") == fleet.NOW.timestamp()
    metrics.observe([fleet.graded("shop", "A")])
    metrics.restore_grade("shop", fleet.REGION, stored, fleet.NOW)
    assert value(metrics, "monitor_tls_grade", target="shop") == 7


def test_an_unheard_of_letter_or_http_version_does_not_fail_the_scrape() -> None:
    metrics = fed()
    odd = fleet.graded("shop")
    assert isinstance(odd.grade, GradeFacts)
    newest = fleet.result("payments")
    assert newest.http is not None
    metrics.observe(
        [
            replace(odd, grade=replace(odd.grade, letter="Z")),
            replace(newest, http=replace(newest.http, version="9\udcff")),
        ]
    )
    assert value(metrics, "monitor_tls_grade", target="shop") is None
    assert value(metrics, "probe_http_version", target="payments") == 0


def test_the_daemons_own_numbers() -> None:
    metrics = fed()
    assert value(metrics, "monitor_incidents_open", level="page", state="acknowledged") == 1
    assert value(metrics, "monitor_incidents_open", level="ticket", state="triggered") == 0
    opened = value(metrics, "monitor_target_incident_opened_timestamp_seconds", target="shop", state="acknowledged")
    assert opened == fleet.incident().opened_at.timestamp()
    assert value(metrics, "monitor_workers_alive") == 1
    assert value(metrics, "monitor_results_dropped_total", stage="worker") == 5
    assert value(metrics, "monitor_results_dropped_total", stage="history") == 6
    assert value(metrics, "monitor_outbox_oldest_pending_seconds") == 12.5
    assert value(metrics, "monitor_pages_total", outcome="sent") == 1
    metrics.set_incidents([])
    assert value(metrics, "monitor_incidents_open", level="page", state="acknowledged") == 0
    assert value(metrics, "monitor_target_incident_opened_timestamp_seconds", target="shop") is None


def test_a_failed_reload_keeps_the_time_of_the_last_good_one() -> None:
    metrics = fed()
    metrics.set_reload(ok=False, at=fleet.NOW.replace(year=2027))
    assert value(metrics, "monitor_config_last_reload_successful") == 0
    assert value(metrics, "monitor_config_last_reload_success_timestamp_seconds") == fleet.NOW.timestamp()


def test_a_scrape_in_a_thread_while_results_come_in_sees_whole_histograms() -> None:
    metrics = fed()
    bodies: list[bytes] = []
    scraper = threading.Thread(target=lambda: bodies.extend(metrics.render()[0] for _ in range(10)))
    scraper.start()
    while scraper.is_alive():
        metrics.observe(fleet.history())
        metrics.observe([fleet.result("payments", region=f"r{len(bodies)}")])
    assert len(bodies) == 10
    for body in bodies:
        for family in parse_text(body.decode()):
            if family.type == "histogram":
                _whole(family.samples)


def _whole(found: list[Sample]) -> None:
    last = {(s.labels["target"], s.labels["region"]): s.value for s in found if s.labels.get("le") == "+Inf"}
    counts = {(s.labels["target"], s.labels["region"]): s.value for s in found if s.name.endswith("_count")}
    assert last == counts
