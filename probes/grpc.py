"""Probe a grpc:// or grpcs:// address: ask the standard health service (grpc.health.v1) whether it serves.

The path names a service of the server, grpc://host:port/my.package.Service; without it the server as a whole is meant.
"""

from __future__ import annotations

import time
from contextlib import suppress
from urllib.parse import SplitResult, unquote, urlsplit

from probes.context import ProbeContext
from probes.engine.exchange import Exchange, listed
from probes.engine.failures import Unanswered
from probes.engine.grpc_health import MAX_MESSAGE_BYTES, PATH, SERVING, STATUS_NAMES, facts_of, request_of, timeout_of
from probes.engine.http2 import ask_http2
from probes.engine.http2_reader import Field
from probes.engine.measure import measure
from probes.engine.request import BASE_HEADERS
from probes.engine.secrets import hide, parts_sent
from probes.engine.stream import open_stream
from probes.engine.tls_session import client_context
from probes.result import FailureReason, GrpcFacts, ProbeResult
from probes.target import Target
from probes.tls.endpoint import host_name

ALPN = ("h2",)
UNIMPLEMENTED, NOT_FOUND = 12, 5


def warm_up(target: Target) -> None:
    """A TLS context takes 20 ms to make."""
    if urlsplit(target.url).scheme == "grpcs":
        with suppress(Unanswered):  # the probe will say so
            client_context(target.tls, ALPN)


async def probe(target: Target, context: ProbeContext) -> ProbeResult:
    async def ask(exchange: Exchange, deadline: float) -> None:
        try:
            await _check(target, exchange, deadline)
        except Unanswered as error:
            raise Unanswered(error.failure.reason, hide(error.failure.detail, parts_sent(target))) from None

    return await measure("grpc", target, context, ask)


async def _check(target: Target, exchange: Exchange, deadline: float) -> None:
    where = urlsplit(target.url)
    service = unquote(where.path.removeprefix("/"))
    host, port = where.hostname or "", where.port or 0
    stream = await open_stream(host, port, exchange, deadline=deadline)
    try:
        if where.scheme == "grpcs":
            await stream.start_tls(exchange.server_name or host.rstrip("."), ALPN)
            if stream.alpn != "h2":
                raise Unanswered(FailureReason.VERSION, "the server did not agree to HTTP/2, which gRPC needs")
        fields = _fields(target, where, deadline - time.monotonic())
        exchange.note("asking", lambda: f"Check of {service!r} with the headers {_names(fields)}")
        answer = await ask_http2(stream, fields, request_of(service), exchange, MAX_MESSAGE_BYTES)
    finally:
        stream.close()
    facts, message = facts_of(answer)
    exchange.grpc = facts
    exchange.note("answered", f"grpc-status {_named(facts.status_code)}, {facts.serving or 'no message'}")
    _judge(service, facts, message)


def _fields(target: Target, where: SplitResult, seconds: float) -> list[Field]:
    """What gRPC wants, and the target's headers as metadata: only Host and User-Agent may replace the former."""
    metadata = {
        name.lower().encode(): value.get_secret_value().strip().encode("utf-8", "replace")
        for name, value in target.headers.items()
    }
    call = {
        b":method": b"POST",
        b":scheme": b"https" if where.scheme == "grpcs" else b"http",
        b":path": PATH,
        b":authority": metadata.pop(b"host", _authority(where)),
        b"te": b"trailers",
        b"grpc-timeout": timeout_of(seconds),
        b"content-type": b"application/grpc",
        b"grpc-accept-encoding": b"identity",
        b"user-agent": metadata.pop(b"user-agent", BASE_HEADERS[b"User-Agent"]),
    }
    return [*call.items(), *((name, value) for name, value in metadata.items() if name not in call)]


def _names(fields: list[Field]) -> str:
    return listed([name.decode() for name, _ in fields if not name.startswith(b":")], most=20)


def _authority(where: SplitResult) -> bytes:
    host = host_name(where.hostname or "") or ""
    return (f"[{host}]" if ":" in host else host).encode("ascii") + b":%d" % (where.port or 0)


def _judge(service: str, facts: GrpcFacts, message: str) -> None:
    of = f"service {service!r}" if service else "the server"
    if facts.status_code != 0:
        why = {
            UNIMPLEMENTED: "; it has no health service (grpc.health.v1)",
            NOT_FOUND: f"; its health service does not know {of}",
        }.get(facts.status_code, "")
        said = f": {message}" if message else ""
        raise Unanswered(FailureReason.STATUS, f"gRPC status {_named(facts.status_code)}{said}{why}")
    if facts.serving != SERVING:
        raise Unanswered(FailureReason.UNHEALTHY, f"{of} is {facts.serving}, expected {SERVING}")


def _named(code: int) -> str:
    return f"{code} ({STATUS_NAMES[code]})" if code < len(STATUS_NAMES) else str(code)
