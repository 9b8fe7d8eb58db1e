"""Every metric that the daemon exposes, as data: the exposition, the dashboards and docs/metrics.md are held to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

LATENCY_BUCKETS_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0, 5.0, 10.0, 30.0)

GRADE_NUMBERS: Mapping[str, int] = MappingProxyType(
    {"M": 0, "T": 0, "F": 1, "E": 2, "D": 3, "C": 4, "B": 5, "A-": 6, "A": 7, "A+": 8}
)
"""A letter as a number that a threshold can be drawn through: 7 is an A. T and M (not trusted, wrong name) are 0."""

LABELS: Mapping[str, str] = MappingProxyType(
    {
        "job": "always `monitor`",
        "instance": "the target's name, where blackbox_exporter users expect the target",
        "target": "the target's name in the settings",
        "region": "where the probe ran",
        "phase": "`resolve`, `connect`, `tls`, `processing`, `transfer`; "
        "`resolve`, `connect`, `tls`, `request` for dns; "
        "`resolve`, `setup`, `rtt` for icmp; "
        "in `probe_grpc_duration_seconds` `resolve` and `check`, which is all the rest",
        "serving_status": "`UNKNOWN`, `SERVING`, `NOT_SERVING`, `SERVICE_UNKNOWN`",
        "address": "with `addresses: all` an IP address of the target's name, at most 16 of a target",
        "version": "as the protocol spells it, `TLS 1.3`; of the program for `monitor_build_info`",
        "cipher": "the cipher suite's IANA name",
        "fingerprint_sha256": "of the leaf certificate, in hexadecimal",
        "outcome": "of a probe: `success`, `failure`, `internal` (our own fault); "
        "of a page: `sent`, `retried`, `parked`",
        "reason": "`timeout`, `refused`, `reset`, `unreachable`, `dns`, `tls`, `certificate`, `protocol`, `status`, "
        "`header`, `body`, `json`, `too_large`, `redirect`, `version`, `response`, `unhealthy`, `auth`, `proxy`, "
        "`internal`",
        "state": "of a target: `ok`, `failing`, `unknown` (no fresh result); "
        "of an incident: `triggered`, `acknowledged`",
        "slo": "`availability`, or the latency objective's name such as `p99`",
        "verdict": "`good` or `bad`",
        "category": "`protocol`, `key_exchange`, `cipher`, `total`",
        "grade": "the letter",
        "level": "`page` or `ticket`",
        "stage": "where it was lost: `worker` or `history`",
        "kind": "`http`, `tcp`, `tls`, `dns`, `icmp`, `grpc`, `websocket`",
        "severity": "`critical`, `error`, `warning`, `info`",
        "runbook": "file name of the target's runbook, empty without one",
        "python_version": "of the interpreter",
    }
)


@dataclass(frozen=True, slots=True)
class Metric:
    """`name` is the name that queries use: a counter's ends in `_total`, a histogram's stands without `_bucket`."""

    name: str
    type: Literal["gauge", "counter", "histogram"]
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


_PROBE = ("job", "instance", "target", "region")
_TARGET = ("target", "region")

PROBE_METRICS = (
    Metric("probe_success", "gauge", "Whether the last probe found what was expected.", _PROBE),
    Metric("probe_duration_seconds", "gauge", "How long the last probe took.", _PROBE),
    Metric("probe_timeout_seconds", "gauge", "Deadline of one whole probe.", _PROBE),
    Metric(
        "probe_ip_protocol", "gauge", "4 or 6: the IP version that was used; 0 when no address was reached.", _PROBE
    ),
    Metric("probe_dns_lookup_time_seconds", "gauge", "Time to resolve the target's name.", _PROBE),
    Metric("probe_http_status_code", "gauge", "Status code of the last answer; 0 without one.", _PROBE),
    Metric("probe_http_ssl", "gauge", "Whether the last exchange used TLS.", _PROBE),
    Metric("probe_http_redirects", "gauge", "Redirects that were followed.", _PROBE),
    Metric("probe_http_version", "gauge", "HTTP version of the last answer; 0 without one.", _PROBE),
    Metric("probe_http_content_length", "gauge", "Content-Length of the last answer; -1 without the header.", _PROBE),
    Metric("probe_http_duration_seconds", "gauge", "Time in each phase of the last HTTP probe.", (*_PROBE, "phase")),
    Metric(
        "probe_http_uncompressed_body_length",
        "gauge",
        "Bytes of the last answer's body as read, unpacked if it came compressed; 0 without one.",
        _PROBE,
    ),
    Metric(
        "probe_http_last_modified_timestamp_seconds",
        "gauge",
        "Last-Modified of the last answer as Unix time; absent without the header.",
        _PROBE,
    ),
    Metric(
        "probe_failed_due_to_regex",
        "gauge",
        "Whether the last probe failed on what a body, a header or a line must match.",
        _PROBE,
    ),
    Metric(
        "probe_ssl_earliest_cert_expiry", "gauge", "Unix time at which the first certificate of the chain ends.", _PROBE
    ),
    Metric(
        "probe_ssl_last_chain_info",
        "gauge",
        "The certificate that was shown, as labels; always 1.",
        (*_PROBE, "fingerprint_sha256"),
    ),
    Metric(
        "probe_tls_version_info", "gauge", "TLS version of the last probe, as a label; always 1.", (*_PROBE, "version")
    ),
    Metric("probe_tls_cipher_info", "gauge", "Cipher of the last probe, as a label; always 1.", (*_PROBE, "cipher")),
    Metric("probe_icmp_duration_seconds", "gauge", "Time in each phase of the last ICMP probe.", (*_PROBE, "phase")),
    Metric("probe_icmp_reply_hop_limit", "gauge", "Hop limit (IPv4: TTL) that the last echo reply came with.", _PROBE),
    Metric("probe_dns_duration_seconds", "gauge", "Time in each phase of the last DNS probe.", (*_PROBE, "phase")),
    Metric("probe_dns_answer_rrs", "gauge", "Records in the answer section.", _PROBE),
    Metric("probe_dns_authority_rrs", "gauge", "Records in the authority section.", _PROBE),
    Metric("probe_dns_additional_rrs", "gauge", "Records in the additional section.", _PROBE),
    Metric("probe_dns_query_succeeded", "gauge", "Whether the server answered at all.", _PROBE),
    Metric("probe_grpc_duration_seconds", "gauge", "Time in each phase of the last gRPC probe.", (*_PROBE, "phase")),
    Metric("probe_grpc_ssl", "gauge", "Whether the last gRPC call used TLS.", _PROBE),
    Metric(
        "probe_grpc_status_code",
        "gauge",
        "Status of the last gRPC call; without an answer 14 (unavailable), or 4 (deadline exceeded).",
        _PROBE,
    ),
    Metric(
        "probe_grpc_healthcheck_response",
        "gauge",
        "1 for what the gRPC health service last said, 0 for the others.",
        (*_PROBE, "serving_status"),
    ),
    Metric(
        "probe_websocket_duration_seconds",
        "gauge",
        "Time in each phase of the last WebSocket probe.",
        (*_PROBE, "phase"),
    ),
    Metric(
        "probe_websocket_status_code", "gauge", "HTTP status of the last answer to an upgrade; 0 without one.", _PROBE
    ),
    Metric("probe_websocket_connection_upgraded", "gauge", "Whether the last WebSocket was opened.", _PROBE),
    Metric("probe_websocket_failed_due_to_regex", "gauge", "Whether the last dialogue did not go as expected.", _PROBE),
)
"""What blackbox_exporter's dashboards and alerts know. Absent while a target's state is unknown: no data, no health."""

TARGET_METRICS = (
    Metric(
        "monitor_probe_duration_seconds",
        "histogram",
        "Duration of the probes that succeeded, every one of them but those that are suspect.",
        _TARGET,
        LATENCY_BUCKETS_SECONDS,
    ),
    Metric(
        "monitor_probe_phase_seconds_total",
        "counter",
        "Time spent in each phase by the probes that the histogram counts.",
        (*_TARGET, "phase"),
    ),
    Metric(
        "monitor_probe_address_success",
        "gauge",
        "With `addresses: all`, whether the last probe of the address found what was expected.",
        (*_TARGET, "address"),
    ),
    Metric(
        "monitor_probe_address_duration_seconds",
        "gauge",
        "With `addresses: all`, how long the last probe of the address took.",
        (*_TARGET, "address"),
    ),
    Metric("monitor_probes_total", "counter", "Probes by outcome.", (*_TARGET, "outcome")),
    Metric("monitor_probe_failures_total", "counter", "Failed probes by reason.", (*_TARGET, "reason")),
    Metric(
        "monitor_probes_suspect_total",
        "counter",
        "Probes during which the prober itself was held up: no latency is counted of them.",
        _TARGET,
    ),
    Metric("monitor_target_late_probes_total", "counter", "Probes that started well after their due time.", _TARGET),
    Metric(
        "monitor_last_probe_timestamp_seconds", "gauge", "Unix time at which the last known probe started.", _TARGET
    ),
    Metric(
        "monitor_target_state", "gauge", "1 for the state that the target is in, 0 for others.", (*_TARGET, "state")
    ),
    Metric(
        "monitor_target_info",
        "gauge",
        "What the settings say of the target, as labels; always 1.",
        (*_TARGET, "kind", "severity", "runbook"),
    ),
    Metric("monitor_target_interval_seconds", "gauge", "Time from one probe to the next.", _TARGET),
    Metric(
        "monitor_target_incident_opened_timestamp_seconds",
        "gauge",
        "Unix time at which the target's open incident was opened; absent without one.",
        (*_TARGET, "level", "state"),
    ),
    Metric("monitor_slo_objective_ratio", "gauge", "Share of probes that must be good.", (*_TARGET, "slo")),
    Metric(
        "monitor_slo_probes_total",
        "counter",
        "Probes as the objective sees them: all for availability, those of the histogram for latency.",
        (*_TARGET, "slo", "verdict"),
    ),
    Metric("monitor_tls_grade", "gauge", "The last TLS grade as a number: A+ 8, A 7, A- 6, B 5 ... F 1, T 0.", _TARGET),
    Metric("monitor_tls_grade_info", "gauge", "The last TLS grade as a label; always 1.", (*_TARGET, "grade")),
    Metric("monitor_tls_grade_objective", "gauge", "The TLS grade that the target must have, as a number.", _TARGET),
    Metric("monitor_tls_grade_timestamp_seconds", "gauge", "Unix time of the last TLS grade.", _TARGET),
    Metric("monitor_tls_score", "gauge", "Points of the last TLS grade, 0 to 100.", (*_TARGET, "category")),
    Metric(
        "monitor_certificate_expiry_timestamp_seconds",
        "gauge",
        "Unix time at which the chain that was last seen ends; kept through an outage.",
        _TARGET,
    ),
)

DAEMON_METRICS = (
    Metric("monitor_build_info", "gauge", "The program, as labels; always 1.", ("version", "python_version")),
    Metric("monitor_workers", "gauge", "Probe worker processes that should run."),
    Metric("monitor_workers_alive", "gauge", "Probe worker processes that run."),
    Metric("monitor_worker_restarts_total", "counter", "Probe worker processes that had to be started again."),
    Metric("monitor_probes_late_total", "counter", "Probes that started well after their due time."),
    Metric("monitor_results_dropped_total", "counter", "Results that were lost for want of room.", ("stage",)),
    Metric("monitor_incidents_open", "gauge", "Open incidents.", ("level", "state")),
    Metric("monitor_incidents_total", "counter", "Incidents opened since the start.", ("level",)),
    Metric("monitor_pages_total", "counter", "Tries to hand an event to a pager.", ("outcome",)),
    Metric("monitor_outbox_pending", "gauge", "Page events that wait to be sent."),
    Metric("monitor_outbox_parked", "gauge", "Page events that the pager refused for good; a person must look."),
    Metric("monitor_outbox_oldest_pending_seconds", "gauge", "Age of the oldest page event that waits; 0 without one."),
    Metric("monitor_config_last_reload_successful", "gauge", "Whether the last load of the settings succeeded."),
    Metric(
        "monitor_config_last_reload_success_timestamp_seconds", "gauge", "Unix time at which settings were last loaded."
    ),
    Metric("monitor_clock_step_seconds", "gauge", "Size of the last step of the wall clock that was seen."),
)

PROCESS_METRICS = (
    Metric("process_virtual_memory_bytes", "gauge", "Virtual memory of the daemon's own process."),
    Metric("process_resident_memory_bytes", "gauge", "Resident memory of the daemon's own process."),
    Metric("process_start_time_seconds", "gauge", "Unix time at which the process started."),
    Metric("process_cpu_seconds_total", "counter", "CPU time of the daemon's own process."),
    Metric("process_open_fds", "gauge", "Open file descriptors of the daemon's own process."),
    Metric("process_max_fds", "gauge", "Most file descriptors that the process may open."),
)
"""Made by prometheus_client, with help texts of its own; on Linux only."""

CATALOGUE = PROBE_METRICS + TARGET_METRICS + DAEMON_METRICS + PROCESS_METRICS
BY_NAME: Mapping[str, Metric] = MappingProxyType({metric.name: metric for metric in CATALOGUE})
