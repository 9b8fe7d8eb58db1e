"""The HTTP transport of the probes: the seam behind which the engine may get faster."""

from __future__ import annotations

import asyncio
import time

import httpx

from probes.engine.connection import Connection
from probes.engine.dial import SYSTEM_RESOLVER, dial
from probes.engine.exchange import Exchange
from probes.engine.failures import Unanswered
from probes.engine.resolve import Resolver
from probes.engine.response import Answer, ResponseReader
from probes.engine.tls_layer import tls_layer
from probes.result import FailureReason

DEFAULT_PORTS = {"http": 80, "https": 443}
NO_DEADLINE_SECONDS = 3600.0


class ProbeTransport(httpx.AsyncBaseTransport):
    """HTTP/1.1, a new connection for each request, in bounded memory; the time of each phase is measured.

    `request.extensions["exchange"]` may hold an Exchange: its bounds are kept and it is filled, also when the request
    fails. The caller holds the deadline (`asyncio.timeout`); `extensions["deadline"]`, on the monotonic clock, only
    lets a name with several addresses share the time among them.

    The body comes as it was sent, cut at `max_body_bytes`; it is not decompressed unless the caller asks httpx for it,
    so a compressed bomb stays as small as it came. Failures are raised as `ProbeTransportError`.
    """

    def __init__(self, *, resolver: Resolver = SYSTEM_RESOLVER) -> None:
        self._resolver = resolver

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        exchange = request.extensions.get("exchange") or Exchange()
        deadline = request.extensions.get("deadline") or time.monotonic() + NO_DEADLINE_SECONDS
        try:
            answer = await self._ask(request, exchange, deadline)
        except Unanswered as unanswered:
            raise ProbeTransportError(unanswered, request) from None
        return httpx.Response(
            answer.status_code,
            headers=answer.headers,
            stream=httpx.ByteStream(answer.body),
            extensions={"http_version": b"HTTP/" + answer.version.encode(), "answer": answer},
            request=request,
        )

    async def _ask(self, request: httpx.Request, exchange: Exchange, deadline: float) -> Answer:
        url = request.url
        if url.scheme not in DEFAULT_PORTS:
            raise Unanswered(FailureReason.PROTOCOL, f"{url.scheme!r} cannot be asked over HTTP")
        host = url.raw_host.decode("ascii")
        body = await request.aread()
        tls = None
        if url.scheme == "https":
            tls = tls_layer(exchange, exchange.server_name or host.rstrip("."))
        connection = Connection(
            _head(request) + body, ResponseReader(request.method, exchange.max_body_bytes), exchange, tls
        )
        port = url.port or DEFAULT_PORTS[url.scheme]
        sock = await dial(host, port, exchange, deadline=deadline, resolver=self._resolver)
        try:
            await asyncio.get_running_loop().create_connection(lambda: connection, sock=sock)
            return await connection.answer
        except BaseException:
            connection.abort()
            sock.close()
            raise


class ProbeTransportError(httpx.TransportError):
    """No whole answer; `failure` says why, as in a result."""

    def __init__(self, unanswered: Unanswered, request: httpx.Request) -> None:
        super().__init__(unanswered.failure.detail, request=request)
        self.failure = unanswered.failure


def _head(request: httpx.Request) -> bytes:
    lines = [b"%b %b HTTP/1.1" % (request.method.encode("ascii"), request.url.raw_path)]
    lines += [name + b": " + value for name, value in request.headers.raw]
    return b"\r\n".join(lines) + b"\r\n\r\n"
