"""HTTP/2 over a Stream on which it was agreed: one request, one answer."""

from __future__ import annotations

import asyncio

from probes.engine.exchange import Exchange
from probes.engine.http2_reader import Field, Http2Reader
from probes.engine.response import Answer
from probes.engine.stream import Stream
from probes.result import Phase

# RFC 9113 8.2.2: they are of an HTTP/1.1 connection. Host is :authority here.
_NOT_SENT = {b"host", b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade", b"te"}


def fields_of(wire: bytes) -> tuple[list[Field], bytes]:
    """(header fields, body) of a whole HTTP/1.1 request to an https:// address."""
    head, _, body = wire.partition(b"\r\n\r\n")
    request_line, *lines = head.split(b"\r\n")
    method, path, _ = request_line.split(b" ")
    named = ((name.lower(), value) for name, _, value in (line.partition(b": ") for line in lines))
    headers = list(named)
    pseudo = [
        (b":method", method),
        (b":scheme", b"https"),
        (b":authority", dict(headers)[b"host"]),
        (b":path", path),
    ]
    return pseudo + [(name, value) for name, value in headers if name not in _NOT_SENT], body


async def ask_http2(
    stream: Stream, fields: list[Field], body: bytes, exchange: Exchange, max_body_bytes: int
) -> Answer:
    """Send a request and read its answer, as the exchange's phases `processing` (until its headers) and `transfer`.
    `fields` begin with the pseudo-headers. The caller holds the deadline and closes the stream. Raises Unanswered."""
    reader = Http2Reader(fields, body, max_body_bytes)
    exchange.enter(Phase.PROCESSING)
    await stream.send(reader.to_send())
    exchange.note("sent the request", f"{len(fields)} header fields and {len(body)} bytes of body over HTTP/2")
    while not reader.complete:
        data = await stream.receive()
        if not data:
            reader.end()
        while reader.feed(data):
            data = b""
            await asyncio.sleep(0)  # a flood of small frames must not keep other probes from their work
        if reader.begun and exchange.stage is Phase.PROCESSING:
            exchange.enter(Phase.TRANSFER, stream.arrived)
            exchange.note("headers of the answer")
        if not reader.complete and (due := reader.to_send()):
            await stream.send(due)
    exchange.enter(None, stream.arrived_whole)
    return reader.answer
