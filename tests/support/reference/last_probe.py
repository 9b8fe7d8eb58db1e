"""blackbox_exporter's `probe_*` series out of the newest result of a target: one row a metric."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

from probes.result import DnsFacts, FailureReason, HttpFacts, Phase, ProbeResult, TlsSession
from probes.target import Target

Point = tuple[tuple[str, ...], float]
"""The values of the labels that a metric has beyond those of its target, and the number."""

Read = Callable[[Target, ProbeResult], Iterable[Point]]

HTTP_PHASES = (Phase.RESOLVE, Phase.CONNECT, Phase.TLS, Phase.PROCESSING, Phase.TRANSFER)
TALK_PHASES = (Phase.RESOLVE, Phase.CONNECT, Phase.TLS, Phase.PROCESSING, Phase.TRANSFER)
DNS_PHASES = (Phase.RESOLVE, Phase.CONNECT, Phase.TLS, Phase.REQUEST)
ICMP_PHASES = (Phase.RESOLVE, Phase.SETUP, Phase.RTT)
SWITCHING_PROTOCOLS = 101


def _number(read: Callable[[ProbeResult], float]) -> Read:
    return lambda _, result: [((), read(result))]


def _phases(phases: tuple[Phase, ...]) -> Read:
    """A phase that was not reached is 0, as blackbox_exporter has it."""

    def read(_: Target, result: ProbeResult) -> Iterable[Point]:
        seconds = dict(result.phases)
        return [((phase.value,), seconds.get(phase, 0.0)) for phase in phases]

    return read


def _tls(read: Callable[[TlsSession], Point]) -> Read:
    return lambda _, result: [] if result.tls is None else [read(result.tls)]


def _http(without_answer: float, read: Callable[[HttpFacts], float]) -> Read:
    return lambda _, result: [((), without_answer if result.http is None else read(result.http))]


def _dns(read: Callable[[DnsFacts], float]) -> Read:
    return lambda _, result: [((), 0.0 if result.dns is None else read(result.dns))]


def _hop_limit(_: Target, result: ProbeResult) -> Iterable[Point]:
    hop_limit = result.icmp.hop_limit if result.icmp else None
    return [] if hop_limit is None else [((), hop_limit)]


def _grpc_phases(_: Target, result: ProbeResult) -> Iterable[Point]:
    """As blackbox_exporter has them: all that comes after the name is resolved is its phase `check`."""
    seconds = dict(result.phases)
    resolve = seconds.pop(Phase.RESOLVE, 0.0)
    return [(("resolve",), resolve), (("check",), sum(seconds.values()))]


def _grpc_status(result: ProbeResult) -> float:
    """Without an answer what a gRPC client says then, and not 0, which is OK: UNAVAILABLE, or DEADLINE_EXCEEDED."""
    if result.grpc is not None:
        return result.grpc.status_code
    return 4 if result.failure is not None and result.failure.reason is FailureReason.TIMEOUT else 14


def _serving(_: Target, result: ProbeResult) -> Iterable[Point]:
    seen = result.grpc.serving if result.grpc is not None else ""
    return [((status,), status == seen) for status in ("UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN")]


def _ip_protocol(result: ProbeResult) -> float:
    if result.address is None:
        return 0
    return 6 if ":" in result.address else 4


def _failed_on(*reasons: FailureReason) -> Read:
    return _number(lambda result: result.failure is not None and result.failure.reason in reasons)


def _unpacked_bytes(http: HttpFacts) -> float:
    return http.body_bytes if http.unpacked_bytes is None else http.unpacked_bytes


def _last_modified(_: Target, result: ProbeResult) -> Iterable[Point]:
    seconds = None if result.http is None else result.http.last_modified_seconds
    return [] if seconds is None else [((), seconds)]


def _http_version(http: HttpFacts) -> float:
    """A server may call its version anything; that must not fail the scrape."""
    try:
        return float(http.version)
    except ValueError:
        return 0


_ANY: Mapping[str, Read] = MappingProxyType(
    {
        "probe_success": _number(lambda result: result.ok),
        "probe_duration_seconds": _number(lambda result: result.duration_seconds),
        "probe_timeout_seconds": lambda target, _: [((), target.timeout.total_seconds())],
        "probe_ip_protocol": _number(_ip_protocol),
        "probe_dns_lookup_time_seconds": _number(lambda result: dict(result.phases).get(Phase.RESOLVE, 0.0)),
        "probe_ssl_earliest_cert_expiry": _tls(lambda tls: ((), tls.not_after.timestamp())),
        "probe_ssl_last_chain_info": _tls(lambda tls: ((tls.leaf_sha256,), 1)),
        "probe_tls_version_info": _tls(lambda tls: ((tls.version,), 1)),
        "probe_tls_cipher_info": _tls(lambda tls: ((tls.cipher,), 1)),
    }
)
_HTTP: Mapping[str, Read] = MappingProxyType(
    {
        "probe_http_status_code": _http(0, lambda http: http.status_code),
        "probe_http_ssl": _number(lambda result: result.tls is not None),
        "probe_http_redirects": _http(0, lambda http: http.redirects),
        "probe_http_version": _http(0, _http_version),
        "probe_http_content_length": _http(-1, lambda http: http.content_length),
        "probe_http_duration_seconds": _phases(HTTP_PHASES),
        "probe_failed_due_to_regex": _failed_on(FailureReason.BODY, FailureReason.HEADER),
        "probe_http_uncompressed_body_length": _http(0, _unpacked_bytes),
        "probe_http_last_modified_timestamp_seconds": _last_modified,
    }
)
_DNS: Mapping[str, Read] = MappingProxyType(
    {
        "probe_dns_duration_seconds": _phases(DNS_PHASES),
        "probe_dns_answer_rrs": _dns(lambda dns: dns.answers),
        "probe_dns_authority_rrs": _dns(lambda dns: dns.authority),
        "probe_dns_additional_rrs": _dns(lambda dns: dns.additional),
        "probe_dns_query_succeeded": _number(lambda result: result.dns is not None),
    }
)
_TALK: Mapping[str, Read] = MappingProxyType({"probe_failed_due_to_regex": _failed_on(FailureReason.RESPONSE)})
_ICMP: Mapping[str, Read] = MappingProxyType(
    {
        "probe_icmp_duration_seconds": _phases(ICMP_PHASES),
        "probe_icmp_reply_hop_limit": _hop_limit,
    }
)
_GRPC: Mapping[str, Read] = MappingProxyType(
    {
        "probe_grpc_duration_seconds": _grpc_phases,
        "probe_grpc_ssl": _number(lambda result: result.tls is not None),
        "probe_grpc_status_code": _number(_grpc_status),
        "probe_grpc_healthcheck_response": _serving,
    }
)
_WEBSOCKET: Mapping[str, Read] = MappingProxyType(
    {
        "probe_websocket_duration_seconds": _phases(HTTP_PHASES),
        "probe_websocket_status_code": _http(0, lambda http: http.status_code),
        "probe_websocket_connection_upgraded": _http(0, lambda http: http.status_code == SWITCHING_PROTOCOLS),
        "probe_websocket_failed_due_to_regex": _failed_on(FailureReason.RESPONSE),
    }
)
_NO_ROWS: Mapping[str, Read] = MappingProxyType({})
READS_OF_KIND: Mapping[str, Mapping[str, Read]] = MappingProxyType(
    {
        "http": _HTTP,
        "tcp": _TALK,
        "tls": _TALK,
        "dns": _DNS,
        "icmp": _ICMP,
        "grpc": _GRPC,
        "websocket": _WEBSOCKET,
    }
)


def points(metric_name: str, target: Target, result: ProbeResult) -> Iterable[Point]:
    """The series of one metric; none when this kind of probe does not have it."""
    read = _ANY.get(metric_name) or READS_OF_KIND.get(result.kind, _NO_ROWS).get(metric_name)
    return () if read is None else read(target, result)
