"""One request and its answer on a connected socket: an asyncio protocol that does its own TLS.

TLS runs over memory buffers (`ssl.MemoryBIO`) and not in the event loop's own TLS layer: so the handshake is timed as a
phase of its own, the certificates can be read even when they do not verify, and closing waits for nobody.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import cast

from probes.engine.exchange import Exchange
from probes.engine.failures import Unanswered, of_os_error, of_tls_error
from probes.engine.response import Answer, ResponseReader
from probes.engine.tls_layer import TlsLayer
from probes.engine.tls_session import session_of
from probes.result import FailureReason, Phase


class Connection(asyncio.Protocol):
    """Sends `request` as soon as it can and reads one answer. `answer` is done when that is whole or has failed."""

    def __init__(self, request: bytes, reader: ResponseReader, exchange: Exchange, tls: TlsLayer | None) -> None:
        self.answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._request = request
        self._reader = reader
        self._exchange = exchange
        self._tls = tls
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if self._tls is None:
            self._send_request()
        else:
            self._exchange.enter(Phase.TLS)
            self._go_on()

    def data_received(self, data: bytes) -> None:
        if self.answer.done():
            return
        try:
            if self._tls is None:
                self._read(data)
            else:
                self._tls.receive(data)
                self._go_on()
        except Exception as error:
            # A fault of ours: raised in the probe, where it is told apart from one of the service.
            self.answer.set_exception(error)
            self.abort()

    def eof_received(self) -> None:
        if self.answer.done():
            return
        if self._tls is not None and not self._tls.ready:
            self._fail(Unanswered(FailureReason.TLS, "the connection was closed during the TLS handshake"))
        else:
            self._ended()

    def connection_lost(self, exc: Exception | None) -> None:
        if self.answer.done():
            return
        if isinstance(exc, OSError):
            self._fail(of_os_error(exc, "the connection broke"))
        else:
            self._ended()

    def abort(self) -> None:
        """Drop the connection, whatever is on its way. Safe after the end."""
        if self._transport is not None:
            self._transport.abort()

    def _send_request(self) -> None:
        self._exchange.enter(Phase.PROCESSING)
        if self._tls is not None:
            self._tls.write(self._request)
            self._request = self._tls.to_send()
        assert self._transport is not None
        self._transport.write(self._request)

    def _go_on(self) -> None:
        """TLS: handshake, then read what has come."""
        assert self._tls is not None
        assert self._transport is not None
        tls = self._tls
        try:
            if not tls.ready and tls.handshake():
                session = session_of(tls.ssl_object, verified=tls.verifies)
                if session is not None:
                    self._exchange.saw_session(session)
                self._send_request()
            while tls.ready and not self.answer.done() and (data := tls.read()):
                self._read(data)
            if tls.ended and not self.answer.done():
                self._ended()
        except ssl.SSLError as error:
            self._tls_failed(error)
        if pending := tls.to_send():
            self._transport.write(pending)

    def _tls_failed(self, error: ssl.SSLError) -> None:
        assert self._tls is not None
        if isinstance(error, ssl.SSLCertVerificationError):
            session = session_of(self._tls.ssl_object, verified=False)
            if session is not None:
                self._exchange.saw_session(session)
        self._fail(of_tls_error(error))

    def _read(self, data: bytes) -> None:
        if self._exchange.stage is Phase.PROCESSING:
            self._exchange.enter(Phase.TRANSFER)
        try:
            self._reader.feed(data)
        except Unanswered as unanswered:
            self._fail(unanswered)
        else:
            if self._reader.complete:
                self._succeed()

    def _ended(self) -> None:
        try:
            self._reader.end()
        except Unanswered as unanswered:
            self._fail(unanswered)
        else:
            self._succeed()

    def _succeed(self) -> None:
        self._exchange.enter(None)
        self.answer.set_result(self._reader.answer)
        if self._reader.answer.cut:
            self.abort()
            return
        assert self._transport is not None
        if self._tls is not None:
            self._tls.goodbye()
            self._transport.write(self._tls.to_send())
        self._transport.close()

    def _fail(self, unanswered: Unanswered) -> None:
        self._exchange.enter(None)
        self.answer.set_exception(unanswered)
        if self._transport is not None:
            self._transport.close()
