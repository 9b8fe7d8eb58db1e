"""Probe a tcp://host:port address: resolve the name and connect."""

from __future__ import annotations

from urllib.parse import urlsplit

from probes.context import ProbeContext
from probes.engine.exchange import Exchange
from probes.engine.measure import measure
from probes.engine.stream import open_stream
from probes.result import ProbeResult
from probes.target import Target


async def probe(target: Target, context: ProbeContext) -> ProbeResult:
    async def ask(exchange: Exchange, deadline: float) -> None:
        where = urlsplit(target.url)
        stream = await open_stream(where.hostname or "", where.port or 0, exchange, deadline=deadline)
        stream.close()

    return await measure("tcp", target, context, ask)
