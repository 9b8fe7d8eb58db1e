"""Probe a tcp://host:port address: resolve the name and connect."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from urllib.parse import urlsplit

from probes.context import ProbeContext
from probes.engine.dial import dial
from probes.engine.exchange import Exchange
from probes.engine.failures import Unanswered, of_timeout
from probes.result import Failure, ProbeResult
from probes.target import Target


async def probe(target: Target, context: ProbeContext) -> ProbeResult:
    started_at, begun = datetime.now(UTC), time.monotonic()
    exchange = Exchange()
    failure: Failure | None = None
    timeout_seconds = target.timeout.total_seconds()
    try:
        async with asyncio.timeout(timeout_seconds):
            where = urlsplit(target.url)
            sock = await dial(where.hostname or "", where.port or 0, exchange, deadline=begun + timeout_seconds)
            sock.close()
    except TimeoutError:
        failure = of_timeout(timeout_seconds, exchange.stage, time.monotonic() - exchange.stage_since)
    except Unanswered as unanswered:
        failure = unanswered.failure
    exchange.enter(None)
    ended = time.monotonic()
    return ProbeResult(
        target=target.name,
        region=context.region,
        kind="tcp",
        started_at=started_at,
        monotonic_seconds=ended,
        duration_seconds=ended - begun,
        phases=tuple(exchange.phases.items()),
        failure=failure,
        late_seconds=context.late_seconds,
        address=exchange.address,
    )
