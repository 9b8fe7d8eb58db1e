"""Probe a tcp://host:port address: connect, and talk if there is something to say."""

from __future__ import annotations

from urllib.parse import urlsplit

from probes.context import ProbeContext
from probes.engine.conversation import converse
from probes.engine.exchange import Exchange
from probes.engine.measure import measure
from probes.result import ProbeResult
from probes.target import Target


async def probe(target: Target, context: ProbeContext) -> ProbeResult:
    async def ask(exchange: Exchange, deadline: float) -> None:
        where = urlsplit(target.url)
        await converse(target, where.hostname or "", where.port or 0, exchange, deadline, tls=False)

    return await measure("tcp", target, context, ask)
