"""`probe_*`: what the newest probe of a target saw, under blackbox_exporter's names. One row a metric.

Absent while the target's state is unknown.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any

from monitor.metrics.block import Moment
from monitor.metrics.lines import COUNT, SECONDS, TIMESTAMP, Line, Render, Values, is_now, join, line
from probes.engine.tally_columns import NONE, REASON_NUMBERS, SERVING, SUCCESS
from probes.result import FailureReason, Phase

HTTP_PHASES = (Phase.RESOLVE, Phase.CONNECT, Phase.TLS, Phase.PROCESSING, Phase.TRANSFER)
DNS_PHASES = (Phase.RESOLVE, Phase.CONNECT, Phase.TLS, Phase.REQUEST)
ICMP_PHASES = (Phase.RESOLVE, Phase.SETUP, Phase.RTT)
SWITCHING_PROTOCOLS = 101
FAILED_ON_PATTERNS = {REASON_NUMBERS[FailureReason.BODY], REASON_NUMBERS[FailureReason.HEADER]}


def newest(name: str, *lines: Line, kind: str = "") -> tuple[str, Render]:
    """`kind` may be several, with spaces between; without one, of every kind."""
    parts, kinds = [line.of(name) for line in lines], kind.split()

    def render(moment: Moment) -> Iterable[bytes]:
        if kinds and moment.block.kind not in kinds:
            return ()
        return join(moment.block.probe_labels, [(text, values(moment)) for text, values in parts], moment.seen)

    return name, render


def number(name: str, values: str | Values, form: str = COUNT, kind: str = "") -> tuple[str, Render]:
    return newest(name, line(values, form), kind=kind)


def phases(name: str, kind: str, some: Sequence[Phase]) -> tuple[str, Render]:
    """A phase that was not reached is 0, as blackbox_exporter has it."""
    return newest(name, *(line(f"last_{phase}", SECONDS, phase=phase) for phase in some), kind=kind)


def newest_where(name: str, kind: str, where: Values, line: Line) -> tuple[str, Render]:
    """Of those only whose place in `where` is not 0."""
    text, values = line.of(name)

    def render(moment: Moment) -> Iterable[bytes]:
        if kind not in {"", moment.block.kind}:
            return ()
        chosen = [outcome and there for outcome, there in zip(moment.outcomes, where(moment), strict=True)]
        return join(moment.block.probe_labels, [(text, values(moment))], chosen) if any(chosen) else ()

    return name, render


def with_tls(moment: Moment) -> Sequence[Any]:
    """The words of a session come with the results, a moment after it was counted."""
    tls = moment.column("tls")
    if not any(tls):
        return tls
    return [has and one.certificate for has, one in zip(tls, moment.block.series, strict=True)]


def words(name: str, label: str, attribute: str) -> tuple[str, Render]:
    read = attrgetter(attribute)
    rest = f'{{%b,{label}="%b"}} 1\n'.encode()
    return newest_where(name, "", with_tls, Line(rest, lambda moment: list(map(read, moment.block.series))))


def equals(column: str, number: int) -> Values:
    return lambda moment: [int(one == number) for one in moment.column(column)]


def failed_on(reason: FailureReason) -> Values:
    return equals("reason", REASON_NUMBERS[reason])


def failed_on_what_must_match(moment: Moment) -> Sequence[Any]:
    """A body or a header for http, a line of the dialogue for the others."""
    if moment.block.kind != "http":
        return failed_on(FailureReason.RESPONSE)(moment)
    return [int(reason in FAILED_ON_PATTERNS) for reason in moment.column("reason")]


def last_modified_known(moment: Moment) -> Sequence[Any]:
    return [seconds != NONE for seconds in moment.column("http_last_modified")]


def hop_limit_seen(moment: Moment) -> Sequence[Any]:
    return [hop_limit != NONE for hop_limit in moment.column("icmp_hop_limit")]


def grpc_check(moment: Moment) -> Sequence[Any]:
    """As blackbox_exporter has it: all that comes after the name is resolved."""
    return list(
        map(sum, zip(*(moment.column(f"last_{phase}") for phase in Phase if phase != Phase.RESOLVE), strict=True))
    )


def grpc_status(moment: Moment) -> Sequence[Any]:
    """Without an answer what a gRPC client says then, and not 0, which is OK: DEADLINE_EXCEEDED, or UNAVAILABLE."""
    timeouts = failed_on(FailureReason.TIMEOUT)(moment)
    statuses = zip(moment.column("grpc_status_code"), timeouts, strict=True)
    return [status if status != NONE else 4 if timeout else 14 for status, timeout in statuses]


NEWEST = (
    number("probe_success", is_now(SUCCESS)),
    number("probe_duration_seconds", "duration_seconds", SECONDS),
    number("probe_timeout_seconds", lambda moment: moment.block.timeout_seconds, SECONDS),
    number("probe_ip_protocol", "ip_protocol"),
    number("probe_dns_lookup_time_seconds", f"last_{Phase.RESOLVE}", SECONDS),
    number("probe_http_status_code", "http_status_code", kind="http"),
    number("probe_http_ssl", "tls", kind="http"),
    number("probe_http_redirects", "http_redirects", kind="http"),
    number("probe_http_version", "http_version", SECONDS, kind="http"),
    number("probe_http_content_length", "http_content_length", kind="http"),
    phases("probe_http_duration_seconds", "http", HTTP_PHASES),
    number("probe_http_uncompressed_body_length", "http_unpacked", kind="http"),
    newest_where(
        "probe_http_last_modified_timestamp_seconds",
        "http",
        last_modified_known,
        line("http_last_modified", TIMESTAMP),
    ),
    number("probe_failed_due_to_regex", failed_on_what_must_match, kind="http tcp tls"),
    newest_where("probe_ssl_earliest_cert_expiry", "", with_tls, line("not_after", TIMESTAMP)),
    words("probe_ssl_last_chain_info", "fingerprint_sha256", "certificate"),
    words("probe_tls_version_info", "version", "tls_version"),
    words("probe_tls_cipher_info", "cipher", "cipher"),
    phases("probe_icmp_duration_seconds", "icmp", ICMP_PHASES),
    newest_where("probe_icmp_reply_hop_limit", "icmp", hop_limit_seen, line("icmp_hop_limit")),
    phases("probe_dns_duration_seconds", "dns", DNS_PHASES),
    number("probe_dns_answer_rrs", "dns_answers", kind="dns"),
    number("probe_dns_authority_rrs", "dns_authority", kind="dns"),
    number("probe_dns_additional_rrs", "dns_additional", kind="dns"),
    number("probe_dns_query_succeeded", "answered", kind="dns"),
    newest(
        "probe_grpc_duration_seconds",
        line(f"last_{Phase.RESOLVE}", SECONDS, phase="resolve"),
        line(grpc_check, SECONDS, phase="check"),
        kind="grpc",
    ),
    number("probe_grpc_ssl", "tls", kind="grpc"),
    number("probe_grpc_status_code", grpc_status, kind="grpc"),
    newest(
        "probe_grpc_healthcheck_response",
        *(line(equals("grpc_serving", place), serving_status=word) for place, word in enumerate(SERVING)),
        kind="grpc",
    ),
    phases("probe_websocket_duration_seconds", "websocket", HTTP_PHASES),
    number("probe_websocket_status_code", "websocket_status_code", kind="websocket"),
    number(
        "probe_websocket_connection_upgraded", equals("websocket_status_code", SWITCHING_PROTOCOLS), kind="websocket"
    ),
    number("probe_websocket_failed_due_to_regex", failed_on(FailureReason.RESPONSE), kind="websocket"),
)
"""One row a metric of catalogue.PROBE_METRICS."""
