"""The frame of every probe: a record, a total deadline, and a result whatever happens."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from probes.context import ProbeContext
from probes.engine.exchange import Exchange
from probes.engine.failures import Unanswered, of_timeout
from probes.result import Failure, ProbeResult
from probes.target import Target

Ask = Callable[[Exchange, float], Awaitable[None]]
"""Ask the service, within the deadline on the monotonic clock, and fill the exchange. Raises Unanswered."""


async def measure(kind: str, target: Target, context: ProbeContext, ask: Ask) -> ProbeResult:
    """What `ask` saw, as a result of `kind`. The deadline is of the whole probe, not of each operation."""
    started_at, begun = datetime.now(UTC), time.monotonic()
    exchange = Exchange(
        tls=target.tls,
        server_name=target.tls.server_name,
        max_body_bytes=target.max_body_bytes,
        steps=context.steps,
    )
    failure: Failure | None = None
    timeout_seconds = target.timeout.total_seconds()
    try:
        async with asyncio.timeout(timeout_seconds):
            await ask(exchange, begun + timeout_seconds)
    except TimeoutError:
        failure = of_timeout(timeout_seconds, exchange.stage, time.monotonic() - exchange.stage_since)
    except Unanswered as unanswered:
        failure = unanswered.failure
    exchange.enter(None)
    return ProbeResult(
        target=target.name,
        region=context.region,
        kind=kind,
        started_at=started_at,
        monotonic_seconds=time.monotonic(),
        # To the end of the last phase: judging the answer is no time of the service.
        duration_seconds=max(0.0, (exchange.stage_since or time.monotonic()) - begun),
        phases=tuple(exchange.phases.items()),
        failure=failure,
        late_seconds=context.late_seconds,
        clock=exchange.clock,
        suspect=exchange.suspect,
        address=exchange.address,
        tls=exchange.session,
        http=exchange.http,
        dns=exchange.dns,
    )
