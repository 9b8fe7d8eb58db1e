"""The frame of every probe: a record, a total deadline, and a result whatever happens."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from urllib.parse import urlsplit

from probes.context import ProbeContext
from probes.engine.assertions import check_sessions
from probes.engine.dial import addresses_of
from probes.engine.each_address import MAX_ADDRESSES, combined
from probes.engine.exchange import Exchange
from probes.engine.failures import Unanswered, failure, of_timeout
from probes.engine.lag import loop_lag
from probes.engine.resolve import Address, Pinned
from probes.result import Clock, Failure, FailureReason, ProbeResult
from probes.target import Target

Ask = Callable[[Exchange, float], Awaitable[None]]
"""Ask the service, within the deadline on the monotonic clock, and fill the exchange. Raises Unanswered."""

Places = Callable[[Exchange], Awaitable[tuple[Address, ...]]]
"""The addresses that the target's host has, in the exchange's phase `resolve`. Raises Unanswered."""

# From this share of a duration on, time in which the prober stood still makes the duration suspect.
SUSPECT_SHARE = 0.05
SUSPECT_SECONDS = 0.001
# From this share of the timeout on, if that is more than a busy machine's hiccup, a prober that stood still, not the
# service, missed the deadline.
FALSE_TIMEOUT_SHARE = 0.1
FALSE_TIMEOUT_SECONDS = 0.1


async def measure(
    kind: str, target: Target, context: ProbeContext, ask: Ask, places: Places | None = None
) -> ProbeResult:
    """What `ask` saw, as a result of `kind`. The deadline is of the whole probe, not of each operation.

    With `addresses: all` each address of the target's host is asked, at the same time; `places` tells them where they
    are not those of the host in the target's URL."""
    begun = time.monotonic()
    exchange = _exchange(target, context)
    timeout_seconds = target.timeout.total_seconds()
    if exchange.steps is not None:
        exchange.note("started", f"{kind} probe, given up after {timeout_seconds:g} s", begun)
    if target.addresses == "all" and target.proxy is None:  # else it is the proxy that knows them
        result = await _measure_each(kind, target, context, ask, exchange, begun=begun, places=places)
    else:
        result = await _measure(kind, target, context, ask, exchange, begun=begun)
    if exchange.steps is not None:
        failed = result.failure
        exchange.note(*("good",) if failed is None else ("failed", f"{failed.reason}: {failed.detail}"))
    return result


async def _measure_each(
    kind: str,
    target: Target,
    context: ProbeContext,
    ask: Ask,
    exchange: Exchange,
    *,
    begun: float,
    places: Places | None,
) -> ProbeResult:
    where = urlsplit(target.url)
    host = where.hostname or ""
    found: list[Address] = []

    async def resolve(exchange: Exchange, _: float) -> None:
        found.extend(await (places(exchange) if places else addresses_of(host, where.port or 0, exchange)))
        exchange.enter(None)

    resolved = await _measure(kind, target, context, resolve, exchange, begun=begun)
    if not resolved.ok:
        return resolved
    asked: list[asyncio.Task[ProbeResult]] = []
    async with asyncio.TaskGroup() as group:
        for address in found[:MAX_ADDRESSES]:
            each = exchange.of_one_address(Pinned(host, address))
            asked.append(group.create_task(_measure(kind, target, context, ask, each, begun=begun)))
    return combined(resolved, [one.result() for one in asked], [address.ip for address in found])


def _exchange(target: Target, context: ProbeContext) -> Exchange:
    return Exchange(
        tls=target.tls,
        server_name=target.tls.server_name,
        max_body_bytes=target.max_body_bytes,
        keep=(target.name, 3 * target.every.total_seconds()) if target.reuse else None,
        http2=target.http2,
        ip=target.ip,
        afresh=target.resolve == "afresh",
        steps=context.steps,
        spans=context.spans,
    )


async def _measure(
    kind: str, target: Target, context: ProbeContext, ask: Ask, exchange: Exchange, *, begun: float
) -> ProbeResult:
    """`begun`: when the probe began, on the monotonic clock; for one of several addresses that was earlier than now."""
    started_at = datetime.now(UTC)
    failed: Failure | None = None
    timeout_seconds = target.timeout.total_seconds()
    lag = loop_lag()
    lag.begin()
    try:
        async with asyncio.timeout(begun + timeout_seconds - time.monotonic()):
            await ask(exchange, begun + timeout_seconds)
        if exchange.sessions:
            failed = check_sessions(target.expect.tls, exchange.sessions, datetime.now(UTC))
    except TimeoutError:
        now = time.monotonic()
        stood_still = max(now - begun - timeout_seconds, lag.longest_since(begun, now))
        failed = _timed_out(timeout_seconds, exchange, now, stood_still)
    except Unanswered as unanswered:
        failed = unanswered.failure
    finally:
        lag.end()
    now = time.monotonic()
    duration_seconds, kernel = _duration(exchange, begun, now)
    if not kernel or exchange.user_timed:  # what the kernel's stamps say is free of it
        exchange.held_up(lag.longest_since(begun, now))
    return ProbeResult(
        target=target.name,
        region=context.region,
        kind=kind,
        started_at=started_at,
        monotonic_seconds=now,
        duration_seconds=duration_seconds,
        phases=tuple(exchange.phases.items()),
        failure=failed,
        late_seconds=context.late_seconds,
        reprobe=context.reprobe,
        clock=Clock.KERNEL if kernel else Clock.USER,
        suspect=exchange.held_up_seconds > max(SUSPECT_SECONDS, SUSPECT_SHARE * duration_seconds),
        address=exchange.address,
        tls=exchange.session,
        http=exchange.http,
        dns=exchange.dns,
        icmp=exchange.icmp,
        grpc=exchange.grpc,
    )


def _timed_out(timeout_seconds: float, exchange: Exchange, now: float, stood_still_seconds: float) -> Failure:
    if stood_still_seconds > max(FALSE_TIMEOUT_SECONDS, FALSE_TIMEOUT_SHARE * timeout_seconds):
        detail = (
            f"not done within {timeout_seconds:g} s, but the prober itself stood still for {stood_still_seconds:.2f} s"
        )
        return failure(FailureReason.INTERNAL, detail)
    awaited = exchange.awaited() if exchange.awaited else None
    return of_timeout(timeout_seconds, exchange.stage, now - exchange.stage_since, awaited)


def _duration(exchange: Exchange, begun: float, now: float) -> tuple[float, bool]:
    """(seconds, whether they are by the kernel's clock). Judging the answer is no time of the service.

    With every phase by the kernel's clock the duration is their sum, which leaves out what the prober did between them;
    else, and where a phase was broken off, it is the time from the beginning to the end of the last phase, without what
    was set aside."""
    whole = exchange.stage is None and bool(exchange.phases)
    exchange.enter(None)
    if whole and exchange.clock is Clock.KERNEL:
        return sum(exchange.phases.values()), True
    return max(0.0, (exchange.stage_since or now) - begun - exchange.aside_seconds), False
