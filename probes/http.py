"""Probe an http:// or https:// address: ask, follow redirects, judge the answer."""

from __future__ import annotations

from contextlib import suppress
from importlib import import_module
from urllib.parse import urlsplit

from probes.context import ProbeContext
from probes.engine.assertions import check
from probes.engine.exchange import Exchange
from probes.engine.failures import Unanswered
from probes.engine.http_steps import note_answer, note_redirect, note_request
from probes.engine.measure import measure
from probes.engine.request import REDIRECTS, Prepared, prepare, redirected, shown
from probes.engine.response import Answer
from probes.engine.secrets import hide, parts_sent, sent
from probes.engine.tls_session import client_context
from probes.engine.transport import ALPN, ALPN_WITH_HTTP2, ProbeTransport, ProbeTransportError, fetch, response_of
from probes.result import FailureReason, HttpFacts, ProbeResult
from probes.target import Target

MAX_PREPARED = 65536

_transport = ProbeTransport()
_prepared: dict[str, Prepared] = {}


def warm_up(target: Target) -> None:
    """A TLS context takes 20 ms to make, and HTTP/2 as long to load."""
    if urlsplit(target.url).scheme == "https":
        if target.http2:
            import_module("probes.engine.http2")
        with suppress(Unanswered):  # the probe will say so
            client_context(target.tls, ALPN_WITH_HTTP2 if target.http2 else ALPN)


async def probe(target: Target, context: ProbeContext) -> ProbeResult:
    async def ask(exchange: Exchange, deadline: float) -> None:
        try:
            answer = await _exchange(_prepared_for(target), exchange, deadline)
        except (Unanswered, ProbeTransportError) as error:
            raise Unanswered(error.failure.reason, hide(error.failure.detail, sent(target))) from None
        exchange.enter(None)
        judged = check(target.expect, answer, hide=lambda text: hide(text, parts_sent(target)))
        if judged is not None:
            raise Unanswered(judged.reason, hide(judged.detail, sent(target)))

    return await measure("http", target, context, ask)


async def _exchange(prepared: Prepared, exchange: Exchange, deadline: float) -> Answer:
    """Ask, and follow redirects; a status that is expected is an answer, and not followed."""
    target = prepared.target

    def told(text: str) -> str:
        return hide(text, parts_sent(target))

    note_request(exchange, target.method, prepared.url, prepared.headers, told)
    answer: Answer = await fetch(prepared.wire, exchange, deadline)
    exchange.http = _facts(answer, redirects=0)
    note_answer(exchange, answer, told)
    if not _followed(answer, target):
        return answer
    request = prepared.request({"exchange": exchange, "deadline": deadline})
    response = response_of(answer, request)
    redirects = 0
    while True:
        if redirects == target.max_redirects:
            raise Unanswered(
                FailureReason.REDIRECT,
                f"more than {target.max_redirects} redirects; the last came from {shown(request.url)}",
            )
        request = redirected(prepared, request, response)
        redirects += 1
        note_redirect(exchange, redirects, request.url, told)
        note_request(exchange, request.method, request.url, request.headers, told)
        exchange.http = _facts(answer, redirects)
        exchange.server_name = target.tls.server_name if request.url.host == prepared.url.host else None
        response = await _transport.handle_async_request(request)
        answer = response.extensions["answer"]
        exchange.http = _facts(answer, redirects)
        note_answer(exchange, answer, told)
        if not _followed(answer, target):
            return answer


def _followed(answer: Answer, target: Target) -> bool:
    status = answer.status_code
    return status in REDIRECTS and status not in target.expect.status and target.max_redirects > 0


def _facts(answer: Answer, redirects: int) -> HttpFacts:
    return HttpFacts(
        status_code=answer.status_code,
        version=answer.version,
        redirects=redirects,
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
