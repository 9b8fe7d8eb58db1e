"""Probe a tls://host[:port] address: connect, shake hands and verify, and talk if there is something to say."""

from __future__ import annotations

from urllib.parse import urlsplit

from probes.context import ProbeContext
from probes.engine.conversation import converse
from probes.engine.exchange import Exchange
from probes.engine.measure import measure
from probes.engine.starttls import PROTOCOLS
from probes.result import ProbeResult
from probes.target import Target

TLS_PORT = 443


async def probe(target: Target, context: ProbeContext) -> ProbeResult:
    async def ask(exchange: Exchange, deadline: float) -> None:
        where = urlsplit(target.url)
        port = where.port or (PROTOCOLS[target.starttls].port if target.starttls else TLS_PORT)
        await converse(target, where.hostname or "", port, exchange, deadline, tls=True)

    return await measure("tls", target, context, ask)
