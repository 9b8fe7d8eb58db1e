"""One connection of a tcp or tls target, from its beginning to its end."""

from __future__ import annotations

from functools import partial

from probes.engine.dialogue import Lines, talk
from probes.engine.exchange import Exchange
from probes.engine.starttls import ask_for_tls
from probes.engine.stream import Stream, open_stream
from probes.result import Phase
from probes.target import Target

MAX_TOLD_BYTES = 200


async def converse(target: Target, host: str, port: int, exchange: Exchange, deadline: float, *, tls: bool) -> None:
    """Connect, begin TLS if `tls` or where the target asks for it in its protocol, and hold its dialogue. What is said
    in the clear before TLS counts as the phase `processing`. Raises Unanswered."""
    stream = await open_stream(host, port, exchange, deadline=deadline)
    try:
        server_name = exchange.server_name or host.rstrip(".")
        if target.starttls is not None:
            await _ask_for_tls(target.starttls, stream, exchange, server_name)
        if tls or target.starttls is not None:
            await stream.start_tls(server_name)
            await stream.finish_tls()
        if target.dialogue:
            await talk(target.dialogue, Lines(stream, server_name), exchange)
        exchange.enter(None)
    finally:
        stream.close()


async def _ask_for_tls(protocol: str, stream: Stream, exchange: Exchange, server_name: str) -> None:
    exchange.enter(Phase.PROCESSING)
    exchange.awaited = lambda: f"the server's consent to TLS, asked for as {protocol} does"
    await ask_for_tls(protocol, _Watched(stream, exchange), server_name)
    exchange.awaited = None
    exchange.note("the server agreed to TLS", protocol)


class _Watched:
    """Tells what is said and heard. Before TLS that is no secret."""

    def __init__(self, stream: Stream, exchange: Exchange) -> None:
        self._stream = stream
        self._exchange = exchange

    async def send(self, data: bytes) -> None:
        self._exchange.note("said", partial(repr, data))
        await self._stream.send(data)

    async def receive(self) -> bytes:
        data = await self._stream.receive()
        self._exchange.note("heard", partial(repr, data[:MAX_TOLD_BYTES]))
        return data
