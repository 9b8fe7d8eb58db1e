"""One TCP connection that a probe talks over, in the clear or under TLS."""

from __future__ import annotations

import asyncio
import socket
import ssl
from contextlib import suppress

from probes.engine.dial import SYSTEM_RESOLVER, dial
from probes.engine.exchange import Exchange
from probes.engine.failures import Unanswered, of_os_error, of_tls_error
from probes.engine.resolve import Resolver
from probes.engine.tls_layer import READ_BYTES, TlsLayer, tls_layer
from probes.engine.tls_session import session_of
from probes.result import FailureReason, Phase


class Stream:
    """Made by `open_stream`, ended by `close`. The caller holds the deadline. Every method raises Unanswered for what
    the network or the other side does."""

    def __init__(self, sock: socket.socket, exchange: Exchange) -> None:
        self._sock = sock
        self._exchange = exchange
        self._tls: TlsLayer | None = None
        self._loop = asyncio.get_running_loop()

    @property
    def alpn(self) -> str | None:
        """The protocol that the handshake agreed on; None without TLS or without agreement."""
        return None if self._tls is None else self._tls.ssl_object.selected_alpn_protocol()

    async def send(self, data: bytes) -> None:
        if self._tls is not None:
            self._tls.write(data)
            data = self._tls.to_send()
        await self._send_raw(data)

    async def receive(self) -> bytes:
        """The next bytes, at most some 64 KiB; empty when the other side has ended."""
        if self._tls is None:
            return await self._receive_raw()
        while True:
            try:
                if data := self._tls.read():
                    return data
            except ssl.SSLError as error:
                raise of_tls_error(error) from None
            if self._tls.ended or not (raw := await self._receive_raw()):
                return b""
            self._tls.receive(raw)

    async def start_tls(self, server_name: str, alpn: tuple[str, ...] = ()) -> None:
        """The handshake, as the exchange's phase `tls`; what it showed is in `exchange.session`, also when the
        certificate does not verify."""
        exchange = self._exchange
        exchange.enter(Phase.TLS)
        tls = tls_layer(exchange, server_name, alpn)
        try:
            while not tls.handshake():
                await self._send_raw(tls.to_send())
                if not (raw := await self._receive_raw()):
                    raise Unanswered(FailureReason.TLS, "the connection was closed during the TLS handshake")
                tls.receive(raw)
        except ssl.SSLError as error:
            if isinstance(error, ssl.SSLCertVerificationError):
                self._saw(tls, verified=False)
            raise of_tls_error(error) from None
        await self._send_raw(tls.to_send())
        self._saw(tls, verified=tls.verifies)
        self._tls = tls

    def close(self) -> None:
        """At once; TLS says goodbye if that need not wait. Safe to say twice."""
        if self._tls is not None:
            self._tls.goodbye()
            with suppress(OSError):
                self._sock.send(self._tls.to_send())
            self._tls = None
        self._sock.close()

    def _saw(self, tls: TlsLayer, *, verified: bool) -> None:
        session = session_of(tls.ssl_object, verified=verified)
        if session is not None:
            self._exchange.saw_session(session)
            self._exchange.note("TLS handshake", f"{session.version}, {session.cipher}")

    async def _send_raw(self, data: bytes) -> None:
        try:
            await self._loop.sock_sendall(self._sock, data)
        except OSError as error:
            raise of_os_error(error, "the connection broke") from None

    async def _receive_raw(self) -> bytes:
        try:
            return await self._loop.sock_recv(self._sock, READ_BYTES)
        except OSError as error:
            raise of_os_error(error, "the connection broke") from None


async def open_stream(
    host: str, port: int, exchange: Exchange, *, deadline: float, resolver: Resolver = SYSTEM_RESOLVER
) -> Stream:
    """Resolve and connect, as the exchange's phases `resolve` and `connect`. Raises Unanswered."""
    return Stream(await dial(host, port, exchange, deadline=deadline, resolver=resolver), exchange)
