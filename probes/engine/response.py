"""Bytes of an HTTP/1.1 answer to its parts, in bounded memory whatever comes. No I/O."""

from __future__ import annotations

from dataclasses import dataclass, field

import httptools

from probes.engine.failures import Unanswered
from probes.result import FailureReason

MAX_HEADER_BYTES = 65536
_CONTENT_LENGTH_BYTES, _TRANSFER_ENCODING_BYTES = len(b"content-length"), len(b"transfer-encoding")


@dataclass(slots=True)
class Answer:
    """`body` is what was sent, not decompressed, at most the limit; `cut` says that there was more of it.
    `content_length` is the header's value, -1 when it is absent. `trailers` are told of HTTP/2 only. `packed` is how a
    body is compressed that could not be unpacked."""

    status_code: int = 0
    version: str = ""
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""
    cut: bool = False
    content_length: int = -1
    trailers: list[tuple[bytes, bytes]] | None = None
    packed: str = ""

    def values(self, name: bytes) -> list[bytes]:
        """Of the header called `name`, in small letters."""
        return [value for key, value in self.headers if len(key) == len(name) and key.lower() == name]


class ResponseReader:
    """Feed it what the socket gives until `complete`, and say `end` when the other side closes.

    Three bounds hold its memory and time: the headers, those of interim answers and trailers included, fit in
    `MAX_HEADER_BYTES`; the body is read up to `max_body_bytes`; and between two pieces of body no more than
    `MAX_HEADER_BYTES` of anything else (endless header lines, chunk extensions, trailers) is taken.
    """

    def __init__(self, method: str, max_body_bytes: int) -> None:
        self.answer = Answer()
        self.complete = False
        self._max_body_bytes = max_body_bytes
        self._no_body = method == "HEAD"
        self._body = bytearray()
        self._headers_done = False
        self._delimited = False
        self._keeps_alive = False
        self._header_bytes = 0
        self._barren_bytes = 0
        self._parser = httptools.HttpResponseParser(self)
        # What browsers, curl and Go accept is not worth waking anybody for.
        self._parser.set_dangerous_leniencies(lenient_optional_cr_before_lf=True, lenient_data_after_close=True)

    def feed(self, data: bytes) -> None:
        """Raises Unanswered when this is not HTTP or passes a bound."""
        self._barren_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._finish()
        except httptools.HttpParserError as error:
            if not self.complete:
                raise Unanswered(FailureReason.PROTOCOL, f"the answer is not valid HTTP: {error}") from None
        if not self.complete and max(self._header_bytes, self._barren_bytes) > MAX_HEADER_BYTES:
            what = "between pieces of the body" if self._headers_done else "in the headers"
            raise Unanswered(FailureReason.TOO_LARGE, f"more than {MAX_HEADER_BYTES} bytes {what}")

    def end(self) -> None:
        """The other side closed. Raises Unanswered unless that is the end of an answer without a length."""
        if self.complete:
            return
        if not self._headers_done:
            got = "in the middle of the headers" if self._barren_bytes else "without an answer"
            raise Unanswered(FailureReason.RESET, f"the connection was closed {got}")
        if self._delimited:
            length = self.answer.content_length
            of = f" of {length}" if length >= 0 else ""
            raise Unanswered(
                FailureReason.RESET, f"the connection was closed after {len(self._body)}{of} bytes of body"
            )
        self._finish()

    @property
    def connection_goes_on(self) -> bool:
        """Whether another request may follow on the same connection (RFC 9112, 9.3)."""
        whole = self.complete and self._delimited and not self.answer.cut
        return whole and self.answer.status_code >= 200 and self._keeps_alive

    def _finish(self) -> None:
        self.complete = True
        self.answer.body = bytes(self._body)

    # What httptools calls.

    def on_message_begin(self) -> None:
        if self.complete:
            self._keeps_alive = False  # it says more than it was asked
        else:
            self.answer = Answer()
            self._headers_done = self._delimited = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self._header_bytes += len(name) + len(value) + 4
        if self._headers_done or self._header_bytes > MAX_HEADER_BYTES:
            return
        self.answer.headers.append((name, value))
        if len(name) == _CONTENT_LENGTH_BYTES and name.lower() == b"content-length":
            if value.isdigit() and len(value) < 20:
                self.answer.content_length = int(value)
                self._delimited = True
        elif len(name) == _TRANSFER_ENCODING_BYTES and name.lower() == b"transfer-encoding":
            self._delimited = value.lower().endswith(b"chunked")

    def on_headers_complete(self) -> None:
        if self.complete:  # another answer came along with the first
            return
        self.answer.status_code = self._parser.get_status_code()
        self.answer.version = self._parser.get_http_version()
        self._headers_done = self.answer.status_code >= 200 or self.answer.status_code == 101
        if self._headers_done:
            self._barren_bytes = 0
        if self._headers_done and self._no_body:
            self._finish()

    def on_body(self, data: bytes) -> None:
        if self.complete:
            return
        self._barren_bytes = 0
        room = self._max_body_bytes - len(self._body)
        self._body += data[:room]
        if len(data) > room:
            self.answer.cut = True
            self._finish()

    def on_message_complete(self) -> None:
        # An interim answer (100, 103) is over; the real one follows.
        if self._headers_done and not self.complete:
            self._keeps_alive = self._parser.should_keep_alive()  # the parser knows it only here
            self._finish()
