"""HTTP of the probes: a request as bytes to its answer, and the same as a transport of httpx."""

from __future__ import annotations

import time

import httpx

from probes.engine.dial import SYSTEM_RESOLVER
from probes.engine.exchange import Exchange
from probes.engine.failures import Unanswered
from probes.engine.http1 import ask_http1
from probes.engine.kept import KeptStreams
from probes.engine.proxy import check_answer, open_through
from probes.engine.resolve import Resolver
from probes.engine.response import Answer, ResponseReader
from probes.engine.stream import Stream, open_stream
from probes.engine.wire import Wire, wire_of
from probes.result import FailureReason, Phase

NO_DEADLINE_SECONDS = 3600.0
ALPN = ("http/1.1",)
ALPN_WITH_HTTP2 = ("h2", *ALPN)

# What may be asked again when a kept connection broke before the answer (RFC 9110, 9.2.2).
IDEMPOTENT = {"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"}

_kept = KeptStreams()


async def fetch(wire: Wire, exchange: Exchange, deadline: float, resolver: Resolver = SYSTEM_RESOLVER) -> Answer:
    """Ask over a new connection. The caller holds the deadline (`asyncio.timeout`); `deadline`, on the monotonic clock,
    only lets a name with several addresses share the time among them. Raises Unanswered.

    The body comes as it was sent, cut at the exchange's `max_body_bytes`: a compressed bomb stays as small as it came.
    """
    if wire.proxy is not None:
        exchange.keep = None
    if wire.method not in IDEMPOTENT:
        exchange.keep = None  # it could not be asked anew
    if exchange.keep is not None:
        kept = _kept.take(exchange.keep[0], wire, exchange)
        if kept is not None:
            try:
                return await _ask(kept, wire, exchange)
            except Unanswered as unanswered:
                # It may have been closed just as we asked (RFC 9112, 9.3.1): without a byte of an answer, ask anew.
                if exchange.stage is not Phase.PROCESSING or unanswered.failure.reason is not FailureReason.RESET:
                    raise
                exchange.forget_phases()
    if wire.proxy is None:
        stream = await open_stream(wire.host, wire.port, exchange, deadline=deadline, resolver=resolver)
    else:
        stream = await open_through(wire.proxy, wire, exchange, deadline, resolver)
    try:
        if wire.secure:
            alpn = ALPN_WITH_HTTP2 if exchange.http2 else ALPN
            await stream.start_tls(exchange.server_name or wire.host.rstrip("."), alpn)
    except BaseException:
        stream.close()
        raise
    answer = await _ask(stream, wire, exchange)
    if wire.proxy is not None:
        check_answer(wire.proxy, wire, answer)
    return answer


async def _ask(stream: Stream, wire: Wire, exchange: Exchange) -> Answer:
    """Ends the stream, or keeps it where that is wanted and possible."""
    reader = ResponseReader(wire.method, exchange.max_body_bytes)
    again = False
    try:
        if stream.alpn == "h2":
            from probes.engine.http2 import ask_http2, fields_of  # not loaded where nobody asks for it

            return await ask_http2(stream, *fields_of(wire.data), exchange, exchange.max_body_bytes)
        answer = await ask_http1(stream, wire.data, reader, exchange)
        again = exchange.keep is not None and reader.connection_goes_on
    finally:
        if again and exchange.keep is not None:
            _kept.keep(exchange.keep[0], wire, stream, exchange.keep[1])
        else:
            stream.close()
    return answer


class ProbeTransport(httpx.AsyncBaseTransport):
    """`fetch` for httpx: for what needs more than one request, or a user's own code.

    `request.extensions["exchange"]` may hold an Exchange: its bounds are kept and it is filled, also when the request
    fails; `extensions["deadline"]` a deadline; `extensions["proxy"]` a Proxy. Bodies are not decompressed unless the
    caller asks httpx for it. Failures are raised as `ProbeTransportError`.
    """

    def __init__(self, *, resolver: Resolver = SYSTEM_RESOLVER) -> None:
        self._resolver = resolver

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        exchange = request.extensions.get("exchange") or Exchange()
        deadline = request.extensions.get("deadline") or time.monotonic() + NO_DEADLINE_SECONDS
        try:
            wire = wire_of(request, await request.aread())
            answer = await fetch(wire, exchange, deadline, self._resolver)
        except Unanswered as unanswered:
            raise ProbeTransportError(unanswered, request) from None
        return response_of(answer, request)


def response_of(answer: Answer, request: httpx.Request) -> httpx.Response:
    """The same as httpx knows it; `extensions["answer"]` is what came."""
    return httpx.Response(
        answer.status_code,
        headers=answer.headers,
        stream=httpx.ByteStream(answer.body),
        extensions={"http_version": b"HTTP/" + answer.version.encode(), "answer": answer},
        request=request,
    )


class ProbeTransportError(httpx.TransportError):
    """No whole answer; `failure` says why, as in a result."""

    def __init__(self, unanswered: Unanswered, request: httpx.Request) -> None:
        super().__init__(unanswered.failure.detail, request=request)
        self.failure = unanswered.failure
