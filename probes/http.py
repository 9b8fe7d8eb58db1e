"""Probe an http:// or https:// address: ask, follow redirects, judge the answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit

from probes.context import ProbeContext
from probes.engine.assertions import check
from probes.engine.exchange import Exchange
from probes.engine.failures import Unanswered, failure, of_timeout
from probes.engine.request import REDIRECTS, Prepared, prepare, redirected, shown
from probes.engine.response import Answer
from probes.engine.transport import ProbeTransport, ProbeTransportError
from probes.result import Failure, FailureReason, HttpFacts, ProbeResult
from probes.target import Target

SHORTEST_SECRET = 4
MAX_PREPARED = 65536

_transport = ProbeTransport()
_prepared: dict[str, Prepared] = {}


@dataclass(slots=True)
class _Outcome:
    answer: Answer | None = None
    redirects: int = 0
    failure: Failure | None = None


async def probe(target: Target, context: ProbeContext) -> ProbeResult:
    started_at, begun = datetime.now(UTC), time.monotonic()
    exchange = Exchange(tls=target.tls, server_name=target.tls.server_name, max_body_bytes=target.max_body_bytes)
    outcome = _Outcome()
    timeout_seconds = target.timeout.total_seconds()
    try:
        async with asyncio.timeout(timeout_seconds):
            await _exchange(_prepared_for(target), exchange, outcome, begun + timeout_seconds)
    except TimeoutError:
        outcome.failure = of_timeout(timeout_seconds, exchange.stage, time.monotonic() - exchange.stage_since)
    except (Unanswered, ProbeTransportError) as error:
        outcome.failure = error.failure
    exchange.enter(None)
    duration_seconds = time.monotonic() - begun
    if outcome.failure is None and outcome.answer is not None:
        outcome.failure = check(target.expect, outcome.answer, hide=lambda text: _hide(text, _parts_sent(target)))
    return ProbeResult(
        target=target.name,
        region=context.region,
        kind="http",
        started_at=started_at,
        monotonic_seconds=time.monotonic(),
        duration_seconds=duration_seconds,
        phases=tuple(exchange.phases.items()),
        failure=outcome.failure and failure(outcome.failure.reason, _hide(outcome.failure.detail, _sent(target))),
        late_seconds=context.late_seconds,
        address=exchange.address,
        tls=exchange.session,
        http=_facts(outcome),
    )


async def _exchange(prepared: Prepared, exchange: Exchange, outcome: _Outcome, deadline: float) -> None:
    """Ask, and follow redirects; a status that is expected is an answer, and not followed."""
    target = prepared.target
    request = prepared.request({"exchange": exchange, "deadline": deadline})
    while True:
        response = await _transport.handle_async_request(request)
        outcome.answer = response.extensions["answer"]
        status = response.status_code
        if status not in REDIRECTS or status in target.expect.status or target.max_redirects == 0:
            return
        if outcome.redirects == target.max_redirects:
            raise Unanswered(
                FailureReason.REDIRECT,
                f"more than {target.max_redirects} redirects; the last came from {shown(request.url)}",
            )
        request = redirected(prepared, request, response)
        outcome.redirects += 1
        exchange.server_name = target.tls.server_name if request.url.host == prepared.url.host else None


def _facts(outcome: _Outcome) -> HttpFacts | None:
    answer = outcome.answer
    if answer is None:
        return None
    return HttpFacts(
        status_code=answer.status_code,
        version=answer.version,
        redirects=outcome.redirects,
        body_bytes=len(answer.body),
        content_length=answer.content_length,
        body_cut=answer.cut,
    )


def _prepared_for(target: Target) -> Prepared:
    """Kept by name; a reload brings a new Target of the same name, which is prepared anew."""
    prepared = _prepared.get(target.name)
    if prepared is None or prepared.target is not target:
        if len(_prepared) >= MAX_PREPARED:
            _prepared.clear()
        prepared = _prepared[target.name] = prepare(target)
    return prepared


def _sent(target: Target) -> Iterator[str]:
    """What the service was sent that may be secret, and that it may send back."""
    yield from (value.get_secret_value() for value in target.headers.values())
    yield urlsplit(target.url).query


def _parts_sent(target: Target) -> Iterator[str]:
    """`_sent`, and of each what a service would take out of it: the token after Bearer, a value of the query."""
    yield from _sent(target)
    yield from (value.get_secret_value().partition(" ")[2] for value in target.headers.values())
    yield from (value for _, value in parse_qsl(urlsplit(target.url).query))


def _hide(text: str, secrets: Iterable[str]) -> str:
    for secret in secrets:
        if len(secret) >= SHORTEST_SECRET:
            text = text.replace(secret, "***")
    return text
