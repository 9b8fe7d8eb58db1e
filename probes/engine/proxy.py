"""Through an HTTP proxy: a tunnel (CONNECT) to what is https, the whole address in the request line for what is http.

Only a target's own proxy is used. HTTP_PROXY and its like in the environment are not looked at: what is measured must
not depend on where the prober was started.
"""

from __future__ import annotations

import asyncio
import time
from base64 import b64encode
from typing import Literal
from urllib.parse import unquote, urlsplit

from probes.engine.exchange import Exchange
from probes.engine.failures import Unanswered
from probes.engine.resolve import Resolver
from probes.engine.response import Answer, ResponseReader
from probes.engine.stream import Stream, open_stream
from probes.engine.wire import DEFAULT_PORTS, Proxy, Wire
from probes.options import TlsOptions
from probes.result import FailureReason, Phase

ALPN = ("http/1.1",)
# A proxy that does not answer at all must be told from a service that does not: it gets this share of the time.
REACH_SHARE = 0.9
AUTHENTICATION_REQUIRED = 407


def proxy_of(url: str) -> Proxy:
    """The proxy at an address that `Target` takes. Raises Unanswered with the reason `internal` for a reference that
    was not looked up."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https"):
        raise Unanswered(FailureReason.INTERNAL, "the reference to the proxy's address was not looked up")
    authorization = b""
    if parts.username is not None:
        authorization = basic(unquote(parts.username), unquote(parts.password or ""))
    scheme: Literal["http", "https"] = "https" if parts.scheme == "https" else "http"
    return Proxy(scheme, parts.hostname or "", parts.port or DEFAULT_PORTS[scheme], authorization)


def basic(user: str, password: str) -> bytes:
    """The value of an Authorization header (RFC 7617)."""
    return b"Basic " + b64encode(f"{user}:{password}".encode("utf-8", "replace"))


async def open_through(proxy: Proxy, wire: Wire, exchange: Exchange, deadline: float, resolver: Resolver) -> Stream:
    """A stream to the service of `wire`, or to the proxy itself for what is not under TLS. The phases `resolve` and
    `connect` are those of the way through the proxy. Raises Unanswered, with the reason `proxy` for what it does."""
    stream = await _reach(proxy, exchange, deadline, resolver)
    if not wire.secure:
        return stream
    try:
        await _connect(proxy, stream, wire, exchange)
    except BaseException:
        stream.close()
        raise
    return Tunnel(stream, exchange)


def check_answer(proxy: Proxy, wire: Wire, answer: Answer) -> None:
    """Raises Unanswered for an answer that is the proxy's and not the service's, as far as that can be told."""
    if not wire.secure and answer.status_code == AUTHENTICATION_REQUIRED:
        raise _refused(proxy, answer)


async def _reach(proxy: Proxy, exchange: Exchange, deadline: float, resolver: Resolver) -> Stream:
    """A stream to the proxy itself. What its TLS shows is kept apart from that of the service."""
    way = Exchange(
        tls=TlsOptions(ca_file=exchange.tls.ca_file, verify=exchange.tls.verify),
        max_body_bytes=0,
        ip=exchange.ip,
        afresh=exchange.afresh,
        steps=exchange.steps,
    )
    exchange.enter(Phase.RESOLVE)
    try:
        async with asyncio.timeout(REACH_SHARE * (deadline - time.monotonic())):
            stream = await open_stream(proxy.host, proxy.port, way, deadline=deadline, resolver=resolver)
            try:
                if proxy.scheme == "https":
                    await stream.start_tls(proxy.host, ALPN)
            except BaseException:
                stream.close()
                raise
    except TimeoutError:
        raise Unanswered(FailureReason.PROXY, f"the proxy {proxy} does not answer") from None
    except Unanswered as unanswered:
        raise Unanswered(FailureReason.PROXY, f"the proxy {proxy}: {unanswered.failure.detail}") from None
    finally:
        way.enter(None)
        exchange.enter(Phase.CONNECT, exchange.stage_since + way.phases.get(Phase.RESOLVE, 0.0))
    exchange.note("reached the proxy", str(proxy))
    return stream


async def _connect(proxy: Proxy, stream: Stream, wire: Wire, exchange: Exchange) -> None:
    """Have the proxy connect to the service; still the exchange's phase `connect`."""
    service = wire.authority
    reader = ResponseReader("HEAD", 0)  # a good answer to CONNECT has no body, and that of another is not read
    try:
        await stream.send(b"CONNECT %b HTTP/1.1\r\nHost: %b\r\n%b\r\n" % (service, service, proxy.header))
        while not reader.complete:
            if data := await stream.receive():
                reader.feed(data)
            else:
                reader.end()
    except Unanswered as unanswered:
        raise Unanswered(FailureReason.PROXY, f"the proxy {proxy}: {unanswered.failure.detail}") from None
    if not 200 <= reader.answer.status_code < 300:
        raise _refused(proxy, reader.answer)
    exchange.note("the proxy connected", service.decode("ascii"))


def _refused(proxy: Proxy, answer: Answer) -> Unanswered:
    status = answer.status_code
    if status == AUTHENTICATION_REQUIRED:
        told = "does not take the credentials" if proxy.authorization else "asks for credentials"
    else:
        told = "does not connect to the service"
    return Unanswered(FailureReason.PROXY, f"the proxy {proxy} {told} (status {status})")


class Tunnel(Stream):
    """A stream inside another one, and closed with it."""

    __slots__ = ("_outer",)

    def __init__(self, outer: Stream, exchange: Exchange) -> None:
        super().__init__(outer._connected._replace(arrivals=None), exchange)
        self._outer = outer

    async def _send_raw(self, data: bytes) -> None:
        await self._outer.send(data)

    async def _receive_raw(self) -> bytes:
        data = await self._outer.receive()
        self.arrived, self.arrived_whole = self._outer.arrived, self._outer.arrived_whole
        return data

    def close(self) -> None:
        self._tls = None
        self._outer.close()
