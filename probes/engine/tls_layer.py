"""TLS over memory buffers (`ssl.MemoryBIO`), not in the event loop's own layer: the handshake is a phase of its own,
the certificates can be read even when they do not verify, and closing waits for nobody."""

from __future__ import annotations

import ssl

from probes.engine.exchange import Exchange
from probes.engine.failures import Unanswered
from probes.engine.tls_session import client_context
from probes.engine.tls_steps import note_handshake
from probes.result import FailureReason

READ_BYTES = 65536


class TlsLayer:
    """The client's end of TLS between the bytes on the wire and those of HTTP."""

    def __init__(self, context: ssl.SSLContext, server_name: str, exchange: Exchange) -> None:
        self._exchange = exchange
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.ssl_object = context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_name)
        self.verifies = context.verify_mode is ssl.CERT_REQUIRED
        self.ready = False
        self.ended = False  # the other side said that nothing more comes

    def handshake(self) -> bool:
        """Go on with it; true when it is done. Raises ssl.SSLError."""
        try:
            self.ssl_object.do_handshake()
        except ssl.SSLWantReadError:
            return False
        except ssl.SSLCertVerificationError:
            note_handshake(self._exchange, self.ssl_object)
            raise
        note_handshake(self._exchange, self.ssl_object)
        self.ready = True
        return True

    def receive(self, data: bytes) -> None:
        self._incoming.write(data)

    def read(self) -> bytes:
        """The next bytes of the answer; empty when more has to come first. Raises ssl.SSLError."""
        try:
            data = self.ssl_object.read(READ_BYTES)
        except ssl.SSLWantReadError:
            return b""
        except ssl.SSLZeroReturnError:
            data = b""
        # Python tells the end (close_notify) in either way. The connection may stay open after it.
        self.ended = not data
        return data

    def write(self, data: bytes) -> None:
        self.ssl_object.write(data)

    def goodbye(self) -> None:
        """Leave a close_notify to be sent; the other side's is not waited for."""
        try:
            self.ssl_object.unwrap()
        except ssl.SSLError:
            return

    def to_send(self) -> bytes:
        return self._outgoing.read()


def tls_layer(exchange: Exchange, server_name: str, alpn: tuple[str, ...] = ("http/1.1",)) -> TlsLayer:
    """By the TLS options of the exchange. Raises Unanswered for a name that cannot be one, or an unusable CA file."""
    try:
        return TlsLayer(client_context(exchange.tls, alpn), server_name, exchange)
    except (ValueError, ssl.SSLError) as error:  # an empty label, or too long
        raise Unanswered(FailureReason.TLS, f"{server_name!r} cannot be a server name: {error}") from None
