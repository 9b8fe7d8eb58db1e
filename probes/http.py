"""Probe an http:// or https:// address: ask, follow redirects, judge the answer."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from importlib import import_module
from urllib.parse import urlsplit

import httpx

from probes.context import ProbeContext
from probes.engine.assertions import check, check_tls
from probes.engine.exchange import Exchange
from probes.engine.failures import Unanswered
from probes.engine.flow import Cookies, ask_in_flow
from probes.engine.http_steps import note_answer, note_redirect, note_request
from probes.engine.measure import measure
from probes.engine.prepared import REDIRECTS, Prepared, prepare, redirected
from probes.engine.request import origin, shown
from probes.engine.response import Answer
from probes.engine.secrets import hide, parts_sent, sent
from probes.engine.tls_session import client_context
from probes.engine.transport import ALPN, ALPN_WITH_HTTP2, fetch
from probes.engine.unpack import unpacked
from probes.result import FailureReason, HttpFacts, ProbeResult
from probes.target import Target

MAX_PREPARED = 65536

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
        prepared = _prepared_for(target)
        try:
            answer = await _answer(prepared, exchange, deadline)
        except Unanswered as unanswered:
            failure = unanswered.failure
            raise Unanswered(failure.reason, hide(failure.detail, sent(target, prepared.token))) from None
        exchange.enter(None)
        judged = check(target.expect, answer, hide=lambda text: hide(text, parts_sent(target, prepared.token)))
        if judged is None and not exchange.sessions:
            judged = check_tls(target.expect.tls, None, datetime.now(UTC))  # of those that there are, `measure` does it
        if judged is not None:
            raise Unanswered(judged.reason, hide(judged.detail, sent(target, prepared.token)))

    return await measure("http", target, context, ask)


async def _answer(prepared: Prepared, exchange: Exchange, deadline: float) -> Answer:
    """What there is at the end of the redirects, its body unpacked. A status that is expected is an answer, and not
    followed."""
    target = prepared.target
    request: httpx.Request | None = None  # not needed for what is asked once

    def told(text: str) -> str:
        return hide(text, parts_sent(target, prepared.token))

    if exchange.steps is not None:
        first = prepared.request(exchange, deadline)
        note_request(exchange, first.method, first.url, first.headers, told)
    if prepared.flow is None:
        answer = await fetch(prepared.wire, exchange, deadline)
    else:
        exchange.keep = None  # a connection is kept for the one request that is always the same
        request = prepared.request(exchange, deadline)
        answer = await ask_in_flow(request, prepared.flow)
    note_answer(exchange, answer, told)
    redirects = 0
    while _leads_on(target, answer):
        if redirects == 0:
            request, cookies = request or prepared.request(exchange, deadline), Cookies()
        assert request is not None
        exchange.http = _facts(answer, redirects)
        if redirects == target.max_redirects:
            raise Unanswered(
                FailureReason.REDIRECT,
                f"more than {target.max_redirects} redirects; the last came from {shown(request.url)}",
            )
        cookies.take(request, answer)
        request = redirected(prepared, request, answer)
        cookies.put(request)
        redirects += 1
        exchange.http = _facts(answer, redirects)
        note_redirect(exchange, redirects, request.url, told)
        note_request(exchange, request.method, request.url, request.headers, told)
        exchange.keep = None  # what is kept is the connection of the first request
        answer = await _follow(prepared, request, exchange)
        note_answer(exchange, answer, told)
    read = unpacked(answer, target.max_body_bytes)
    exchange.http = _facts(answer, redirects, read)
    return read


def _leads_on(target: Target, answer: Answer) -> bool:
    status = answer.status_code
    return status in REDIRECTS and status not in target.expect.status and target.max_redirects > 0


async def _follow(prepared: Prepared, request: httpx.Request, exchange: Exchange) -> Answer:
    """Ask where a redirect leads. What proves who we are goes only to the target's own origin."""
    own = origin(request.url) == origin(prepared.url)
    exchange.tls = prepared.target.tls if own else prepared.elsewhere_tls
    exchange.server_name = prepared.target.tls.server_name if request.url.host == prepared.url.host else None
    if request.url.scheme == "http":
        exchange.sessions = ()  # the answer comes without TLS, whatever was on the way
    return await ask_in_flow(request, prepared.flow if own else None)


def _facts(answer: Answer, redirects: int, read: Answer | None = None) -> HttpFacts:
    """`read` is the answer with its body unpacked."""
    return HttpFacts(
        status_code=answer.status_code,
        version=answer.version,
        redirects=redirects,
        body_bytes=len(answer.body),
        content_length=answer.content_length,
        body_cut=answer.cut,
        unpacked_bytes=len(read.body) if read is not None and read is not answer and not read.packed else None,
        last_modified_seconds=next(map(_seconds_of_date, answer.values(b"last-modified")), None),
    )


@lru_cache(maxsize=4096)
def _seconds_of_date(value: bytes) -> float | None:
    """Unix time; None for what is no date."""
    try:
        date = parsedate_to_datetime(value.decode("latin-1"))
    except (ValueError, OverflowError):
        return None
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()


def _prepared_for(target: Target) -> Prepared:
    """Kept by name; a reload brings a new Target of the same name, which is prepared anew."""
    prepared = _prepared.get(target.name)
    if prepared is None or prepared.target is not target:
        if len(_prepared) >= MAX_PREPARED:
            _prepared.clear()
        prepared = _prepared[target.name] = prepare(target)
    return prepared
