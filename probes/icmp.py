"""Probe an icmp://host address: send one echo request and wait for its reply."""

from __future__ import annotations

import asyncio
import time
from urllib.parse import urlsplit

from probes.context import ProbeContext
from probes.engine.dial import addresses_of, most_telling
from probes.engine.echo import Echo, Reply
from probes.engine.exchange import Exchange
from probes.engine.failures import Unanswered
from probes.engine.measure import measure
from probes.engine.resolve import Address
from probes.options import IcmpOptions
from probes.result import FailureReason, IcmpFacts, Phase, ProbeResult
from probes.target import Target


async def probe(target: Target, context: ProbeContext) -> ProbeResult:
    async def ask(exchange: Exchange, deadline: float) -> None:
        addresses = await addresses_of(urlsplit(target.url).hostname or "", 0, exchange)
        reply = await _first_reply(addresses, target.icmp, exchange, deadline)
        exchange.clock = reply.clock
        exchange.icmp = IcmpFacts(size_bytes=target.icmp.size, hop_limit=reply.hop_limit)
        exchange.note("echo reply", f"from {exchange.address}, hop limit {reply.hop_limit}, {reply.clock} clock")

    return await measure("icmp", target, context, ask)


async def _first_reply(
    addresses: tuple[Address, ...], options: IcmpOptions, exchange: Exchange, deadline: float
) -> Reply:
    """Of the first address that replies; one that does not gets an equal share of the time left, which counts as
    `setup`: `rtt` is of the reply alone. Raises Unanswered; of several addresses its detail names each."""
    refusals: list[Unanswered] = []
    for left, address in zip(range(len(addresses), 0, -1), addresses, strict=True):
        exchange.enter(Phase.SETUP)
        exchange.phases[Phase.SETUP] = exchange.phases.get(Phase.SETUP, 0.0) + exchange.phases.pop(Phase.RTT, 0.0)
        exchange.address = address.ip
        try:
            async with asyncio.timeout((deadline - time.monotonic()) / left if left > 1 else None):
                return await _ask_one(address, options, exchange)
        except TimeoutError:
            if left == 1:  # the deadline of the whole probe
                raise
            refusals.append(Unanswered(FailureReason.TIMEOUT, f"{address.ip} does not reply"))
        except Unanswered as unanswered:
            refusals.append(unanswered)
    raise most_telling(refusals)


async def _ask_one(address: Address, options: IcmpOptions, exchange: Exchange) -> Reply:
    echo = Echo(address, options)
    try:
        exchange.note("sending an echo request", f"to {address.ip}, {options.size} bytes of payload")
        exchange.enter(Phase.RTT)
        reply = await echo.ask()
    finally:
        echo.close()
    exchange.held_up(reply.sending_seconds)
    exchange.stage_since = reply.sent_at
    exchange.enter(None, at=reply.came_at)
    return reply
