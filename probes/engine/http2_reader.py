"""Bytes of an HTTP/2 connection to the answer that was asked for on it, in bounded memory whatever comes. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import DataReceived, Event, ResponseReceived, StreamEnded, StreamReset, TrailersReceived
from h2.exceptions import DenialOfServiceError, ProtocolError
from h2.settings import SettingCodes, Settings

from probes.engine.failures import Unanswered
from probes.engine.response import MAX_HEADER_BYTES, Answer
from probes.result import FailureReason

MAX_FRAME_BYTES = 16384  # RFC 9113 6.5.2: the least that may be allowed, and all that we do
MAX_BARREN_FRAMES = 1000
MAX_FRAMES_AT_ONCE = 64
SMALLEST_WINDOW_BYTES = 65535
LARGEST_WINDOW_BYTES = 2**31 - 1
STREAM: Final = 1
Field = tuple[bytes, bytes]
_FRAME_HEADER_BYTES = 9
_DATA, _HEADERS, _SETTINGS, _PUSH_PROMISE, _GOAWAY, _CONTINUATION = 0x0, 0x1, 0x4, 0x5, 0x7, 0x9
_OF_A_STREAM = {_DATA, _HEADERS, _PUSH_PROMISE, _CONTINUATION}
_NO_ERROR = int(ErrorCodes.NO_ERROR)


class Http2Reader:
    """One request on a new connection, and its answer. `to_send` is what has to go out; `feed` it what comes in.

    The bounds are those of `ResponseReader`: headers, interim answers and trailers fit in `MAX_HEADER_BYTES`, unpacked
    and as they came; the body is read up to `max_body_bytes`; and between two pieces of body no more than that many
    bytes, nor `MAX_BARREN_FRAMES` frames, of anything else (pings, settings, window updates) is taken.
    """

    def __init__(self, fields: Sequence[Field], body: bytes, max_body_bytes: int) -> None:
        """`fields` are the request's headers, its pseudo-headers first."""
        self.answer = Answer()
        self.complete = False
        self.begun = False  # the answer's headers have come
        self._max_body_bytes = max_body_bytes
        self._no_body = (b":method", b"HEAD") in fields
        self._received, self._body = bytearray(), bytearray()
        self._barren_bytes = self._barren_frames = 0
        self._settled = False  # the server's first SETTINGS have come
        self._request_body, self._sent_bytes = body, 0
        self._h2 = _connection(max_body_bytes)
        try:
            self._h2.send_headers(STREAM, fields, end_stream=not body)
        except ProtocolError:  # its text may show a header's value
            raise Unanswered(FailureReason.INTERNAL, "the request's headers cannot be sent over HTTP/2") from None
        self._send_body()

    def to_send(self) -> bytes:
        return self._h2.data_to_send()

    def feed(self, data: bytes) -> bool:
        """Take what came. True: that was more than is taken at once; let others run and feed nothing, for the rest.

        Raises Unanswered when this is no HTTP/2, passes a bound, or says that there will be no answer.
        """
        self._received += data
        for _ in range(MAX_FRAMES_AT_ONCE):
            if self.complete or not (frame := self._next_frame()):
                return False
            self._take(frame)
        return not self.complete

    def end(self) -> None:
        """The other side closed. Raises Unanswered unless the answer is there."""
        if self.complete:
            return
        if self.begun:
            of = f" of {self.answer.content_length}" if self.answer.content_length >= 0 else ""
            got = f"after {len(self._body)}{of} bytes of body"
        else:
            got = "before the headers of the answer" if self._settled else "without an answer"
        raise Unanswered(FailureReason.RESET, f"the connection was closed {got}")

    def _next_frame(self) -> bytes:
        """A whole frame; empty when it has not come yet."""
        if len(self._received) < _FRAME_HEADER_BYTES:
            return b""
        length, kind = int.from_bytes(self._received[:3]), self._received[3]
        if not self._settled and kind != _SETTINGS:  # a server that speaks HTTP/1.1, or no HTTP at all
            instead = "HTTP/1" if self._received.startswith(b"HTTP/1") else "something else"
            raise Unanswered(FailureReason.PROTOCOL, f"the server does not speak HTTP/2 but {instead}")
        if length > MAX_FRAME_BYTES:
            raise Unanswered(FailureReason.PROTOCOL, f"a frame of {length} bytes, though {MAX_FRAME_BYTES} are allowed")
        whole = _FRAME_HEADER_BYTES + length
        if len(self._received) < whole:
            return b""
        self._settled = True
        frame = bytes(self._received[:whole])
        del self._received[:whole]
        return frame

    def _take(self, frame: bytes) -> None:
        kind, stream = frame[3], int.from_bytes(frame[5:9]) & 0x7FFFFFFF
        if kind in _OF_A_STREAM and stream != STREAM:
            raise Unanswered(FailureReason.PROTOCOL, f"an answer on stream {stream}, where nothing was asked")
        self._barren_bytes += len(frame)
        self._barren_frames += 1
        if self._barren_bytes > MAX_HEADER_BYTES or self._barren_frames > MAX_BARREN_FRAMES:
            raise self._barren()
        if kind == _GOAWAY:
            _goaway(frame)  # not for h2: it would take nothing more, and a server may finish what it has begun
            return
        try:
            events = self._h2.receive_data(frame)
        except DenialOfServiceError:
            raise Unanswered(FailureReason.TOO_LARGE, f"more than {MAX_HEADER_BYTES} bytes in the headers") from None
        except ProtocolError as error:
            raise Unanswered(FailureReason.PROTOCOL, f"the answer is not valid HTTP/2: {error}") from None
        for event in events:
            self._on(event)
            if self.complete:
                return
        self._send_body()

    def _barren(self) -> Unanswered:
        what = "between pieces of the body" if self.begun else "in the headers"
        if self._barren_bytes > MAX_HEADER_BYTES:
            return Unanswered(FailureReason.TOO_LARGE, f"more than {MAX_HEADER_BYTES} bytes {what}")
        return Unanswered(FailureReason.TOO_LARGE, f"more than {MAX_BARREN_FRAMES} frames {what}")

    def _on(self, event: Event) -> None:
        if isinstance(event, ResponseReceived):
            self._on_headers(event.headers)
        elif isinstance(event, DataReceived):
            self._on_body(event.data, event.flow_controlled_length)
        elif isinstance(event, TrailersReceived):
            self.answer.trailers = list(event.headers)
        elif isinstance(event, StreamEnded):
            self._finish()
        elif isinstance(event, StreamReset):
            raise _reset(event.error_code)

    def _on_headers(self, headers: Sequence[Field]) -> None:
        status = dict(headers)[b":status"]
        if not (status.isdigit() and len(status) == 3):
            raise Unanswered(FailureReason.PROTOCOL, f"the answer is not valid HTTP/2: a status of {status[:20]!r}")
        answer = self.answer = Answer(status_code=int(status), version="2")
        answer.headers = [(name, value) for name, value in headers if not name.startswith(b":")]
        for name, value in answer.headers:
            if name == b"content-length" and value.isdigit() and len(value) < 20:
                answer.content_length = int(value)
        self.begun = True
        self._barren_bytes = self._barren_frames = 0
        if self._no_body:
            self._finish()

    def _on_body(self, data: bytes, window_bytes: int) -> None:
        if data:
            self._barren_bytes = self._barren_frames = 0
        room = self._max_body_bytes - len(self._body)
        self._body += data[:room]
        if len(data) > room:
            self.answer.cut = True
            self._finish()
        elif window_bytes:
            self._h2.acknowledge_received_data(window_bytes, STREAM)

    def _finish(self) -> None:
        self.complete = True
        self.answer.body = bytes(self._body)

    def _send_body(self) -> None:
        """As much as the server's windows let."""
        while self._sent_bytes < len(self._request_body):
            room = min(self._h2.local_flow_control_window(STREAM), self._h2.max_outbound_frame_size)
            if room <= 0:
                return
            self._barren_bytes = self._barren_frames = 0  # window updates that come for a long body are not barren
            piece = self._request_body[self._sent_bytes : self._sent_bytes + room]
            self._sent_bytes += len(piece)
            self._h2.send_data(STREAM, piece, end_stream=self._sent_bytes == len(self._request_body))


def _connection(max_body_bytes: int) -> H2Connection:
    """Its windows hold the whole body that will be read: an answer never waits for us, which would count as the
    service's time."""
    window_bytes = min(max(SMALLEST_WINDOW_BYTES, max_body_bytes + MAX_FRAME_BYTES), LARGEST_WINDOW_BYTES)
    connection = H2Connection(H2Configuration(client_side=True, header_encoding=None))
    connection.local_settings = Settings(
        client=True,
        initial_values={
            SettingCodes.ENABLE_PUSH: 0,
            SettingCodes.INITIAL_WINDOW_SIZE: window_bytes,
            SettingCodes.MAX_FRAME_SIZE: MAX_FRAME_BYTES,
            SettingCodes.MAX_HEADER_LIST_SIZE: MAX_HEADER_BYTES,
        },
    )
    connection.initiate_connection()
    if window_bytes > SMALLEST_WINDOW_BYTES:
        connection.increment_flow_control_window(window_bytes - SMALLEST_WINDOW_BYTES)
    return connection


def _goaway(frame: bytes) -> None:
    """Raises Unanswered unless the server says that it will still answer what was asked."""
    if len(frame) < _FRAME_HEADER_BYTES + 8:
        raise Unanswered(FailureReason.PROTOCOL, "the answer is not valid HTTP/2: a GOAWAY frame that is too short")
    last_stream, code = int.from_bytes(frame[9:13]) & 0x7FFFFFFF, int.from_bytes(frame[13:17])
    if code != _NO_ERROR or last_stream < STREAM:
        raise Unanswered(FailureReason.RESET, f"the server ended the connection (GOAWAY, {_named(code)})")


def _reset(code: int | None) -> Unanswered:
    if code == ErrorCodes.HTTP_1_1_REQUIRED:
        return Unanswered(FailureReason.VERSION, "the server wants HTTP/1.1 for this request")
    return Unanswered(FailureReason.RESET, f"the server broke the answer off (RST_STREAM, {_named(code or 0)})")


def _named(code: int) -> str:
    try:
        return ErrorCodes(code).name
    except ValueError:
        return f"code {code}"
