"""A WebSocket (RFC 6455) over a Stream: the upgrade, then messages, in bounded memory whatever comes.

Extensions are not offered: a compressed message could be a bomb.
"""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from typing import Any

import h11
from wsproto import ConnectionType, WSConnection
from wsproto.connection import ConnectionState
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Message,
    Ping,
    RejectConnection,
    Request,
    TextMessage,
)
from wsproto.utilities import ProtocolError

from probes.dialogue import Spoken
from probes.engine.exchange import Exchange
from probes.engine.failures import Unanswered
from probes.engine.incoming import TooMuch
from probes.engine.stream import Stream
from probes.result import FailureReason, HttpFacts, Phase

SWITCHING_PROTOCOLS = 101
MAX_UPGRADE_BYTES = 16384  # what h11 takes of headers
MAX_BARREN_FRAMES = 1000
MAX_FRAMES_AT_ONCE = 64
NORMAL_CLOSURE = 1000
_HTTP = b"HTTP/1."


async def open_websocket(stream: Stream, request: Request, exchange: Exchange) -> WebSocket:
    """Ask for the upgrade, as the exchange's phase `processing`; `transfer` begins with its answer. The caller holds
    the deadline and closes the stream. Raises Unanswered."""
    connection = WSConnection(ConnectionType.CLIENT)
    try:
        wire = connection.send(request)
    except (ProtocolError, h11.ProtocolError, UnicodeError):  # their texts may show a header's value
        raise Unanswered(FailureReason.INTERNAL, "the request's headers cannot be sent in an upgrade") from None
    exchange.enter(Phase.PROCESSING)
    await stream.send(wire)
    exchange.note("sent the request", f"{len(wire)} bytes")
    accepted = await _accepted(stream, connection, exchange)
    if request.subprotocols and accepted.subprotocol is None:
        asked = " or ".join(request.subprotocols)
        raise Unanswered(FailureReason.HEADER, f"the server agreed to no subprotocol, expected {asked}")
    exchange.note("upgraded", f"subprotocol {accepted.subprotocol}" if accepted.subprotocol else "")
    return WebSocket(stream, connection, exchange.max_body_bytes)


async def _accepted(stream: Stream, connection: WSConnection, exchange: Exchange) -> AcceptConnection:
    received = bytearray()  # at most what h11 takes, and one piece more
    while True:
        data = await stream.receive()
        if not data:
            got = "in the middle of the headers" if received else "without an answer"
            raise Unanswered(FailureReason.RESET, f"the connection was closed {got}")
        if exchange.stage is Phase.PROCESSING:
            exchange.enter(Phase.TRANSFER, stream.arrived)
        received += data
        event = _answer(connection, data, received)
        if isinstance(event, RejectConnection):
            exchange.enter(None, stream.arrived_whole)
            exchange.http = _facts(event.status_code)
            status = f"status {event.status_code}, expected {SWITCHING_PROTOCOLS} (switching protocols)"
            raise Unanswered(FailureReason.STATUS, status)
        if isinstance(event, AcceptConnection):
            exchange.http = _facts(SWITCHING_PROTOCOLS)
            return event


def _answer(connection: WSConnection, data: bytes, received: bytearray) -> Event | None:
    """What the server answers; None when more has to come. Raises Unanswered."""
    if received[: len(_HTTP)] != _HTTP[: len(received)]:
        raise Unanswered(FailureReason.PROTOCOL, "the answer is not HTTP")
    try:
        connection.receive_data(data)
    except (ProtocolError, UnicodeError) as error:
        if b"\r\n\r\n" not in received and len(received) > MAX_UPGRADE_BYTES:
            raise Unanswered(FailureReason.TOO_LARGE, f"more than {MAX_UPGRADE_BYTES} bytes in the headers") from None
        raise Unanswered(FailureReason.PROTOCOL, f"the answer is no valid upgrade: {error}") from None
    return next(connection.handshake.events(), None)


def _facts(status: int) -> HttpFacts:
    return HttpFacts(status_code=status, version="1.1", redirects=0, body_bytes=0, content_length=-1)


class WebSocket:
    """Messages after the upgrade, over which a dialogue may be held. Made by `open_websocket`; the stream stays the
    caller's to close."""

    unit = "message"
    held = b""

    def __init__(self, stream: Stream, connection: WSConnection, most_bytes: int) -> None:
        self.stream = stream
        self.most_bytes = self.room = most_bytes
        self.ended = "the connection was closed"
        self._connection = connection
        self._message = bytearray()
        self._frames = self._barren_frames = 0

    async def say(self, spoken: Spoken, match: re.Match[str] | None) -> None:
        """As text; what a group of a message of bytes gave to it may be none, and goes out as bytes."""
        text = spoken.message(match)
        try:
            text.encode("utf-8")
            message: Event = TextMessage(data=text)
        except UnicodeEncodeError:
            message = BytesMessage(data=text.encode("utf-8", "surrogateescape"))
        await self.stream.send(self._connection.send(message))

    async def start_tls(self) -> None:
        raise Unanswered(FailureReason.INTERNAL, "TLS cannot begin within a WebSocket")

    async def heard(self) -> str | None:
        """The next message, of text or not; bytes that are no UTF-8 as surrogates. None when the other side has ended.
        Raises Unanswered, and TooMuch when `room` does not hold it."""
        message = await self._next()
        return None if message is None else message.decode("utf-8", "surrogateescape")

    async def _next(self) -> bytes | None:
        while True:
            for event in self._connection.events():
                self._frames += 1
                if self._frames % MAX_FRAMES_AT_ONCE == 0:
                    await asyncio.sleep(0)  # a flood of small frames must not keep other probes from their work
                if isinstance(event, CloseConnection):
                    self._check(event)
                    return None
                if isinstance(event, Message):
                    self._add(event)
                    if event.message_finished:
                        whole, self._message = bytes(self._message), bytearray()
                        return whole
                else:
                    await self._on_control(event)
            data = await self.stream.receive()
            if not data:
                return None
            self._connection.receive_data(data)

    async def close(self) -> None:
        """Say goodbye, if that need not wait. The other side's is not waited for."""
        with suppress(Unanswered, ProtocolError, TimeoutError):
            async with asyncio.timeout(0):
                await self.stream.send(self._connection.send(CloseConnection(code=NORMAL_CLOSURE)))

    def _add(self, event: Message[Any]) -> None:
        data = event.data.encode("utf-8") if isinstance(event.data, str) else bytes(event.data)
        if data:
            self._barren_frames = 0
        else:
            self._barren()
        self._message += data
        self.room -= len(data)
        if len(self._message) > self.most_bytes:
            raise Unanswered(FailureReason.TOO_LARGE, f"a message of more than {self.most_bytes} bytes")
        if self.room < 0:
            raise TooMuch

    async def _on_control(self, event: Event) -> None:
        self._barren()
        if isinstance(event, Ping):
            await self.stream.send(self._connection.send(event.response()))

    def _barren(self) -> None:
        self._barren_frames += 1
        if self._barren_frames > MAX_BARREN_FRAMES:
            raise Unanswered(FailureReason.TOO_LARGE, f"more than {MAX_BARREN_FRAMES} frames with nothing of a message")

    def _check(self, event: CloseConnection) -> None:
        if self._connection.state is not ConnectionState.REMOTE_CLOSING:  # wsproto gave up, not the server
            raise Unanswered(FailureReason.PROTOCOL, f"what came is not valid in a WebSocket: {event.reason}")
        self.ended = f"the server closed the WebSocket with code {int(event.code)}"
