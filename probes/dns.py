"""Probe a dns://[server[:port]]/name[?type=AAAA] address (RFC 4501): ask one question and see that it is answered."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from functools import partial
from urllib.parse import unquote, urlsplit

import dns.asyncbackend
import dns.asyncquery
import dns.exception
import dns.message
import dns.rcode
import dns.rdatatype
import dns.resolver

from probes.context import ProbeContext
from probes.engine.dial import SYSTEM_RESOLVER
from probes.engine.exchange import Exchange, listed
from probes.engine.failures import Unanswered, of_os_error
from probes.engine.measure import measure
from probes.engine.resolve import Address, literal
from probes.result import DnsFacts, FailureReason, Phase, ProbeResult
from probes.target import Target

DNS_PORT = 53


@dataclass(frozen=True, slots=True)
class Question:
    """`server` is None for the system's own."""

    name: str
    type: str
    server: str | None
    port: int


def question_of(url: str) -> Question:
    """Raises Unanswered with the reason `internal` for an address that asks nothing that can be asked."""
    parts = urlsplit(url)
    name = unquote(parts.path.lstrip("/"))
    options = dict(option.partition("=")[::2] for option in parts.query.replace("&", ";").lower().split(";"))
    question = Question(name, options.pop("type", "a").upper(), parts.hostname, parts.port or DNS_PORT)
    if not name:
        raise Unanswered(FailureReason.INTERNAL, "the address has no name to ask for")
    if options.pop("class", "in") != "in" or options.keys() - {""}:
        raise Unanswered(FailureReason.INTERNAL, "of the options in an address only type is known")
    try:
        dns.message.make_query(question.name, question.type)
    except (dns.exception.DNSException, ValueError) as error:
        raise Unanswered(FailureReason.INTERNAL, f"cannot ask for {question.type} of {name!r}: {error}") from None
    return question


async def probe(target: Target, context: ProbeContext) -> ProbeResult:
    async def ask(exchange: Exchange, deadline: float) -> None:
        question = question_of(target.url)
        answer = await _ask(question, exchange, deadline)
        exchange.dns = _facts(answer)
        exchange.note("answered", partial(_told, answer))
        _judge(question, answer)

    return await measure("dns", target, context, ask)


async def _ask(question: Question, exchange: Exchange, deadline: float) -> dns.message.Message:
    """What the first of the servers that answers says; one that does not gets an equal share of the time left.
    Raises Unanswered with the last server's failure."""
    exchange.enter(Phase.RESOLVE)
    servers = await _servers(question)
    exchange.enter(Phase.REQUEST)
    for left, server in zip(range(len(servers), 0, -1), servers, strict=True):
        exchange.address = server.ip
        exchange.note("asking", f"{server} for {question.type} of {question.name}")
        try:
            async with asyncio.timeout((deadline - time.monotonic()) / left if left > 1 else None):
                return await _ask_one(question, server)
        except (TimeoutError, Unanswered) as error:
            said = error.failure.detail if isinstance(error, Unanswered) else "none in its share of the time"
            exchange.note("no answer", said)
            if left == 1:
                raise
    raise Unanswered(FailureReason.INTERNAL, "this host has no name server")


async def _ask_one(question: Question, server: Address) -> dns.message.Message:
    """Over UDP, and again over TCP when the answer came truncated."""
    query = dns.message.make_query(question.name, question.type)
    backend = dns.asyncbackend.get_backend("asyncio")
    try:
        message, _ = await dns.asyncquery.udp_with_fallback(
            query, server.ip, port=server.sockaddr[1], backend=backend, ignore_unexpected=True
        )
    except dns.exception.DNSException as error:
        raise Unanswered(FailureReason.PROTOCOL, f"the answer of {server} is not valid DNS: {error}") from None
    except EOFError:
        raise Unanswered(FailureReason.RESET, f"{server} closed the connection without an answer") from None
    except OSError as error:
        raise of_os_error(error, f"asking {server}") from None
    return message


async def _servers(question: Question) -> tuple[Address, ...]:
    if question.server is not None:
        return await SYSTEM_RESOLVER.resolve(question.server, question.port)
    try:
        system = dns.resolver.Resolver()
    except dns.exception.DNSException as error:
        raise Unanswered(FailureReason.INTERNAL, f"this host has no name server: {error}") from None
    return tuple(address for server in system.nameservers for address in literal(str(server), system.port))


def _judge(question: Question, answer: dns.message.Message) -> None:
    asked = f"{question.type} of {question.name!r}"
    if answer.rcode() is not dns.rcode.NOERROR:
        raise Unanswered(FailureReason.DNS, f"{asked}: {dns.rcode.to_text(answer.rcode())}")
    wanted = dns.rdatatype.from_text(question.type)
    if not any(wanted in (rows.rdtype, dns.rdatatype.ANY) for rows in answer.answer):
        raise Unanswered(FailureReason.DNS, f"{asked}: the answer has no such record")


def _facts(answer: dns.message.Message) -> DnsFacts:
    return DnsFacts(
        rcode=dns.rcode.to_text(answer.rcode()),
        answers=_records(answer.answer),
        authority=_records(answer.authority),
        additional=_records(answer.additional),
    )


def _told(answer: dns.message.Message) -> str:
    """The answer section, a record each: `example.com. 300 A 192.0.2.1`."""
    records = [
        f"{rows.name} {rows.ttl} {dns.rdatatype.to_text(rows.rdtype)} {row}" for rows in answer.answer for row in rows
    ]
    return f"{dns.rcode.to_text(answer.rcode())}: {listed(records) or 'no records'}"


def _records(section: list[dns.rrset.RRset]) -> int:
    return sum(len(rows) for rows in section)
