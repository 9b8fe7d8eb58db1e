"""One TCP connection that a probe talks over, in the clear or under TLS: non-blocking, timed by the kernel's clock."""

from __future__ import annotations

import socket
import ssl
import time
from contextlib import suppress

from probes.engine.arrivals import ANCILLARY_BYTES, Arrivals
from probes.engine.dial import SYSTEM_RESOLVER, Connected, dial
from probes.engine.exchange import Exchange
from probes.engine.failures import Unanswered, of_os_error, of_tls_error
from probes.engine.resolve import Resolver
from probes.engine.tls_layer import READ_BYTES, TlsLayer, tls_layer
from probes.engine.tls_session import session_of
from probes.result import Clock, FailureReason, Phase, TlsSession

# A stamp is that of the last packet that a read touched. While the first byte is waited for, less is read at a time.
FIRST_READ_BYTES = 4096


class Stream:
    """Made by `open_stream`, ended by `close`. The caller holds the deadline. Every method raises Unanswered for what
    the network or the other side does.

    `arrived` is when the first of the bytes came that `receive` has just given, and `arrived_whole` when the last did,
    on the monotonic clock: by the kernel's stamps where they are to be had, which makes the exchange's clock that of
    the kernel; else when they were read.
    """

    __slots__ = (
        "_arrivals",
        "_connected",
        "_exchange",
        "_session",
        "_sock",
        "_tls",
        "_watch",
        "arrived",
        "arrived_whole",
    )

    def __init__(self, connected: Connected, exchange: Exchange) -> None:
        self.arrived = self.arrived_whole = 0.0
        self._connected = connected
        self._sock, self._watch, self._arrivals = connected
        self._exchange = exchange
        self._tls: TlsLayer | None = None
        self._session: TlsSession | None = None
        if exchange.clock is not Clock.USER:  # of one probe's connections each must have stamps
            exchange.clock = Clock.USER if self._arrivals is None else Clock.KERNEL

    @property
    def alpn(self) -> str | None:
        """The protocol that the handshake agreed on; None without TLS or without agreement."""
        return None if self._tls is None else self._tls.ssl_object.selected_alpn_protocol()

    async def send(self, data: bytes) -> None:
        if self._tls is not None:
            try:
                self._tls.write(data)
            except ssl.SSLError as error:
                raise of_tls_error(error) from None
            data = self._tls.to_send()
        if self.arrived_whole > self._exchange.stage_since:
            self._exchange.user_timed = True  # from what was heard in this phase to what is said now is our own time
        await self._send_raw(data)

    async def receive(self) -> bytes:
        """The next bytes, at most some 64 KiB; empty when the other side has ended."""
        tls = self._tls
        if tls is None:
            return await self._receive_raw()
        while True:
            try:
                if data := tls.read():
                    return data
            except ssl.SSLError as error:
                raise of_tls_error(error) from None
            if tls.ended or not (raw := await self._receive_raw()):
                return b""
            tls.receive(raw)

    async def start_tls(self, server_name: str, alpn: tuple[str, ...] = ()) -> None:
        """The handshake, as the exchange's phase `tls`; what it showed is in `exchange.session`, also when the
        certificate does not verify. The phase is the time that the other side and the network took: what this process
        computed, or was late to do, between bytes that came and those that it sent is no part of it."""
        exchange = self._exchange
        tls = tls_layer(exchange, server_name, alpn)
        exchange.enter(Phase.TLS)
        try:
            while not tls.handshake():
                if self.arrived_whole > exchange.stage_since:
                    exchange.leave_out(time.monotonic() - self.arrived_whole)
                await self._send_raw(tls.to_send())
                if not (raw := await self._receive_raw()):
                    raise Unanswered(FailureReason.TLS, "the connection was closed during the TLS handshake")
                tls.receive(raw)
        except ssl.SSLError as error:
            exchange.enter(None, self.arrived_whole)
            if isinstance(error, ssl.SSLCertVerificationError):
                self._saw(tls, verified=False)
            raise of_tls_error(error) from None
        exchange.enter(None, self.arrived_whole)
        self._tls = tls
        self._saw(tls, verified=tls.verifies)

    async def finish_tls(self) -> None:
        """Send what ends the handshake now; else it goes out with the first bytes that are sent, which is as good for a
        protocol in which the client speaks first."""
        if self._tls is not None and (data := self._tls.to_send()):
            await self._send_raw(data)

    def resume(self, exchange: Exchange) -> bool:
        """Go on with another probe; false when the other side has closed the connection, or said what nobody asked."""
        try:
            if self._tls is not None and (self._tls.read() or self._tls.ended):
                return False  # it came along with the last answer
            self._sock.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            pass
        except OSError:
            return False
        else:
            return False
        before, self._exchange = self._exchange, exchange
        self.arrived = self.arrived_whole = 0.0
        exchange.address = before.address
        if self._session is not None:
            exchange.saw_session(self._session)
        if self._arrivals is not None:
            self._arrivals = Arrivals()
        exchange.clock = Clock.KERNEL if self._arrivals is not None else Clock.USER
        return True

    def close(self) -> None:
        """At once; TLS says goodbye if that need not wait. Safe to say twice."""
        if self._tls is not None:
            self._tls.goodbye()
            with suppress(OSError):
                self._sock.send(self._tls.to_send())
            self._tls = None
        self._connected.close()

    def _saw(self, tls: TlsLayer, *, verified: bool) -> None:
        session = session_of(tls.ssl_object, verified=verified)
        if session is not None:
            self._session = session
            self._exchange.saw_session(session)

    async def _send_raw(self, data: bytes) -> None:
        try:
            before = time.monotonic()
            sent = self._send_some(data)
            self._exchange.held_up(time.monotonic() - before)
            while sent < len(data):
                self._exchange.user_timed = True  # nobody stamps when there is room again
                await self._watch.writable()
                sent += self._send_some(memoryview(data)[sent:])
        except OSError as error:
            raise of_os_error(error, "the connection broke") from None

    def _send_some(self, data: bytes | memoryview) -> int:
        try:
            return self._sock.send(data)
        except BlockingIOError:
            return 0

    async def _receive_raw(self) -> bytes:
        watch = self._watch
        while True:
            if not watch.may_read:
                await watch.readable()
            try:
                return self._read()
            except BlockingIOError:
                watch.may_read = False
            except OSError as error:
                raise of_os_error(error, "the connection broke") from None

    def _read(self) -> bytes:
        if self._arrivals is None:
            data = self._sock.recv(READ_BYTES)
            self.arrived = self.arrived_whole = time.monotonic()
            return self._taken(data, READ_BYTES)
        first = self._exchange.stage is Phase.PROCESSING
        if first and self._tls is None:
            # The stamp of the first byte, and not of what came behind it. (Where this process is late, the kernel may
            # have joined the two under the later stamp: some of `transfer` is in `processing`. Their sum is right.)
            data, ancillary, _, _ = self._sock.recvmsg(1, ANCILLARY_BYTES, socket.MSG_PEEK)
            self.arrived = self._stamp(self._arrivals, data, ancillary)
            data, ancillary, _, _ = self._sock.recvmsg(READ_BYTES, ANCILLARY_BYTES)
            self.arrived_whole = self._stamp(self._arrivals, data, ancillary)
            return self._taken(data, READ_BYTES)
        size = FIRST_READ_BYTES if first else READ_BYTES
        data, ancillary, _, _ = self._sock.recvmsg(size, ANCILLARY_BYTES)
        self.arrived = self.arrived_whole = self._stamp(self._arrivals, data, ancillary)
        return self._taken(data, size)

    def _taken(self, data: bytes, asked: int) -> bytes:
        if len(data) < asked:
            self._watch.read_all()
        return data

    def _stamp(self, arrivals: Arrivals, data: bytes, ancillary: list[tuple[int, int, bytes]]) -> float:
        now = time.monotonic()
        arrived = arrivals.at(ancillary, now)
        if arrived is not None:
            return arrived
        if data:
            self._exchange.clock = Clock.USER
        else:  # the end of a stream carries no stamp
            self._exchange.user_timed = True
        return now


async def open_stream(
    host: str, port: int, exchange: Exchange, *, deadline: float, resolver: Resolver = SYSTEM_RESOLVER
) -> Stream:
    """Resolve and connect, as the exchange's phases `resolve` and `connect`. Raises Unanswered."""
    return Stream(await dial(host, port, exchange, deadline=deadline, resolver=resolver), exchange)
