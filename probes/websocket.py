"""Probe a ws:// or wss:// address: have the connection upgraded to a WebSocket, and hold a dialogue over it."""

from __future__ import annotations

from contextlib import suppress

import httpx
from wsproto.events import Request

from probes.context import ProbeContext
from probes.engine.dialogue import talk
from probes.engine.exchange import Exchange, listed
from probes.engine.failures import Unanswered
from probes.engine.measure import measure
from probes.engine.request import BASE_HEADERS
from probes.engine.secrets import hide, parts_sent
from probes.engine.stream import open_stream
from probes.engine.tls_session import client_context
from probes.engine.websocket import open_websocket
from probes.result import FailureReason, ProbeResult
from probes.target import Target

DEFAULT_PORTS = {"ws": 80, "wss": 443}
ALPN = ("http/1.1",)
# The upgrade's own: given twice they would be two different ones.
_OURS = {"host", "connection", "upgrade", "content-length", "transfer-encoding"}
_OUR_PREFIX = "sec-websocket-"


def warm_up(target: Target) -> None:
    """A TLS context takes 20 ms to make."""
    if target.url.startswith("wss:"):
        with suppress(Unanswered):  # the probe will say so
            client_context(target.tls, ALPN)


async def probe(target: Target, context: ProbeContext) -> ProbeResult:
    async def ask(exchange: Exchange, deadline: float) -> None:
        try:
            await _talk(target, exchange, deadline)
        except Unanswered as error:
            raise Unanswered(error.failure.reason, hide(error.failure.detail, parts_sent(target))) from None

    return await measure("websocket", target, context, ask)


async def _talk(target: Target, exchange: Exchange, deadline: float) -> None:
    try:
        url = httpx.URL(target.url)
    except httpx.InvalidURL as error:
        raise Unanswered(FailureReason.INTERNAL, f"the address cannot be used: {error}") from None
    host, port = url.raw_host.decode("ascii"), url.port or DEFAULT_PORTS[url.scheme]
    request = _request(target, url)
    stream = await open_stream(host, port, exchange, deadline=deadline)
    try:
        if url.scheme == "wss":
            await stream.start_tls(exchange.server_name or host.rstrip("."), ALPN)
        names = [name.decode() for name, _ in request.extra_headers]
        exchange.note("asking", lambda: f"for an upgrade with the headers {listed(names, most=20)}")
        websocket = await open_websocket(stream, request, exchange)
        await talk(target.dialogue, websocket, exchange)
        await websocket.close()
    finally:
        stream.close()


def _request(target: Target, url: httpx.URL) -> Request:
    headers = {
        name.lower(): (name.encode(), value.get_secret_value().strip().encode("utf-8", "replace"))
        for name, value in target.headers.items()
    }
    _, host = headers.get("host", (b"Host", url.netloc))
    headers.setdefault("user-agent", (b"User-Agent", BASE_HEADERS[b"User-Agent"]))
    return Request(
        host=host.decode("latin-1"),
        target=url.raw_path.decode("ascii"),
        extra_headers=[
            header for name, header in headers.items() if name not in _OURS and not name.startswith(_OUR_PREFIX)
        ],
        subprotocols=list(target.subprotocols),
    )
