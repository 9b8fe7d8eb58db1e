"""HTTP/1.1 over a Stream: one request, one answer."""

from __future__ import annotations

from probes.engine.exchange import Exchange
from probes.engine.response import Answer, ResponseReader
from probes.engine.stream import Stream
from probes.result import Phase


async def ask_http1(stream: Stream, wire: bytes, reader: ResponseReader, exchange: Exchange) -> Answer:
    """Send `wire`, a whole request, and read its answer, as the exchange's phases `processing` and `transfer`. The
    caller holds the deadline and closes the stream. Raises Unanswered."""
    exchange.enter(Phase.PROCESSING)
    await stream.send(wire)
    if exchange.steps is not None:
        exchange.note("sent the request", f"{len(wire)} bytes")
    while not reader.complete:
        data = await stream.receive()
        if not data:
            reader.end()
            break
        if exchange.stage is Phase.PROCESSING:
            exchange.enter(Phase.TRANSFER, stream.arrived)
            exchange.note("first bytes of the answer")
        reader.feed(data)
    exchange.enter(None, stream.arrived_whole)
    return reader.answer
