"""Probe a DNS server: dns://[server[:port]]/name[?type=AAAA] (RFC 4501), and dns+tcp:// and dns+tls:// likewise. Ask
one question, and judge the answer."""

from __future__ import annotations

from functools import partial

from probes.context import ProbeContext
from probes.engine.dial import addresses_of
from probes.engine.dns_answer import check, facts_of, told
from probes.engine.dns_ask import ask_first
from probes.engine.dns_question import Question, question_of
from probes.engine.exchange import Exchange
from probes.engine.failures import Unanswered
from probes.engine.measure import measure
from probes.engine.names.host_files import HOST_FILES, name_servers
from probes.engine.resolve import Address
from probes.result import Phase, ProbeResult
from probes.target import Target


async def probe(target: Target, context: ProbeContext) -> ProbeResult:
    async def ask(exchange: Exchange, deadline: float) -> None:
        question = question_of(target.url)
        servers = await _servers(question, exchange)
        query = question.query(recursion=target.dns.recursion)
        answer = await ask_first(servers, question, query, exchange, deadline)
        exchange.dns = facts_of(answer)
        exchange.note("answered", partial(told, answer))
        if failed := check(target.expect.dns, question, answer):
            raise Unanswered(failed.reason, failed.detail)

    async def places(exchange: Exchange) -> tuple[Address, ...]:
        return await _servers(question_of(target.url), exchange)

    return await measure("dns", target, context, ask, places)


async def _servers(question: Question, exchange: Exchange) -> tuple[Address, ...]:
    """Those of the host that the address names, or the system's own."""
    if question.server is not None:
        return await addresses_of(question.server, question.port, exchange)
    exchange.enter(Phase.RESOLVE)
    if exchange.pinned is not None:
        return (exchange.pinned.address,)
    HOST_FILES.look()
    return tuple(server.at(question.port) for server in name_servers(HOST_FILES.resolv_conf))
