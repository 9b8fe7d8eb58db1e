"""One DNS question and its answer, over UDP, TCP or TLS."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from functools import partial

import dns.exception
import dns.flags
import dns.message
import dns.rdata

from probes.engine.datagrams import Datagrams
from probes.engine.dns_question import Question
from probes.engine.exchange import Exchange
from probes.engine.failures import Unanswered, of_os_error
from probes.engine.resolve import Address, OneAddress
from probes.engine.stream import Stream, open_stream
from probes.result import Clock, FailureReason, Phase

LENGTH_BYTES = 2
FLAGS_AT = 2

# dnspython imports a type's module when it first meets one: in the middle of a probe that would hold up all the others.
dns.rdata.load_all_types(disable_dynamic_load=False)  # type: ignore[no-untyped-call]


async def ask_first(
    servers: Sequence[Address], question: Question, query: dns.message.Message, exchange: Exchange, deadline: float
) -> dns.message.Message:
    """What the first of the servers that answers says; one that does not gets an equal share of the time left.
    Raises Unanswered with the last server's failure."""
    for left, server in zip(range(len(servers), 0, -1), servers, strict=True):
        exchange.address = server.ip
        exchange.note("asking", partial("{} for {}".format, server, question))
        share_seconds = (deadline - time.monotonic()) / left if left > 1 else None
        try:
            async with asyncio.timeout(share_seconds):
                return await _ask(server, question, query, exchange, deadline)
        except (TimeoutError, Unanswered) as error:
            said = error.failure.detail if isinstance(error, Unanswered) else "none in its share of the time"
            exchange.note("no answer", said)
            if left == 1:
                raise
    raise AssertionError("there is always a server")


async def _ask(
    server: Address, question: Question, query: dns.message.Message, exchange: Exchange, deadline: float
) -> dns.message.Message:
    if question.over != "udp":
        return await _over_stream(server, question, query, exchange, deadline)
    message = await _over_udp(server, query, exchange)
    if not message.flags & dns.flags.TC:
        return message
    exchange.note("the answer is truncated", "asking again over TCP")
    return await _over_stream(server, question, query, exchange, deadline)


async def _over_udp(server: Address, query: dns.message.Message, exchange: Exchange) -> dns.message.Message:
    """The first datagram decides: nobody but the server can send one, and a wrong one is the server's mistake."""
    exchange.enter(Phase.REQUEST)
    try:
        with Datagrams(server) as datagrams:
            await datagrams.send(query.to_wire())
            data = await datagrams.receive()
    except OSError as error:
        raise of_os_error(error, f"asking {server}") from None
    exchange.enter(None, datagrams.arrived)
    if exchange.clock is not Clock.USER:
        exchange.clock = Clock.KERNEL if datagrams.stamped else Clock.USER
    return _read(server, query, data, may_be_cut=True)


async def _over_stream(
    server: Address, question: Question, query: dns.message.Message, exchange: Exchange, deadline: float
) -> dns.message.Message:
    port = server.sockaddr[1]
    stream = await open_stream(server.ip, port, exchange, deadline=deadline, resolver=OneAddress(server))
    try:
        if question.over == "tls":
            await stream.start_tls(exchange.server_name or (question.server or server.ip).rstrip("."))
        exchange.enter(Phase.REQUEST)
        wire = query.to_wire()
        await stream.send(len(wire).to_bytes(LENGTH_BYTES, "big") + wire)
        data = await _whole(stream, server)
        exchange.enter(None, stream.arrived_whole)
    finally:
        stream.close()
    return _read(server, query, data)


async def _whole(stream: Stream, server: Address) -> bytes:
    """A message with its length before it (RFC 1035, section 4.2.2)."""
    data = bytearray()
    ends_at = LENGTH_BYTES
    while len(data) < ends_at:
        received = await stream.receive()
        if not received:
            raise Unanswered(FailureReason.RESET, f"{server} closed the connection without a whole answer")
        data += received
        if len(data) >= LENGTH_BYTES:
            ends_at = LENGTH_BYTES + int.from_bytes(data[:LENGTH_BYTES], "big")
    return bytes(data[LENGTH_BYTES:ends_at])


def _read(server: Address, query: dns.message.Message, data: bytes, *, may_be_cut: bool = False) -> dns.message.Message:
    """Raises Unanswered for what is no answer to the query. One that says that it is cut is read as far as it goes."""
    cut = len(data) > FLAGS_AT and bool(int.from_bytes(data[FLAGS_AT : FLAGS_AT + 2], "big") & dns.flags.TC)
    try:
        message = dns.message.from_wire(data, continue_on_error=cut and may_be_cut)
    except dns.exception.DNSException as error:
        raise Unanswered(FailureReason.PROTOCOL, f"the answer of {server} is not valid DNS: {error}") from None
    if cut and not may_be_cut:
        raise Unanswered(FailureReason.PROTOCOL, f"the answer of {server} is cut, where there is room for all of it")
    if message.id != query.id:
        raise Unanswered(FailureReason.PROTOCOL, f"the answer of {server} has the id of another question")
    if not query.is_response(message):
        raise Unanswered(FailureReason.PROTOCOL, f"{server} answers another question than was asked")
    return message
