"""A small real DNS server on loopback, over UDP and TCP (or TLS) on one port."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

Answer = Callable[[dns.message.Message], bytes | None]

SOA = "ns.test. hostmaster.test. 1 7200 900 1209600"  # and then the seconds for which a name is known not to be


def records(*rows: tuple[str, str, str], ttl: int = 60, missing_ttl: int | None = None) -> Answer:
    """A zone of (name, type, value); every other name is NXDOMAIN, with an SOA if there is a `missing_ttl`. An alias
    comes alone, without what its target has."""
    return partial(_from_zone, rows, ttl, missing_ttl)


def _from_zone(
    rows: Sequence[tuple[str, str, str]], ttl: int, missing_ttl: int | None, query: dns.message.Message
) -> bytes:
    asked = query.question[0]
    response = dns.message.make_response(query)
    known = [row for row in rows if row[0] == asked.name.to_text(omit_final_dot=True)]
    response.set_rcode(dns.rcode.NOERROR if known else dns.rcode.NXDOMAIN)
    for _, rdtype, value in known:
        rrset = dns.rrset.from_text(asked.name, ttl, "IN", rdtype, value)
        if rrset.rdtype in (asked.rdtype, dns.rdatatype.CNAME):
            response.find_rrset(response.answer, asked.name, rrset.rdclass, rrset.rdtype, create=True).update(rrset)
    if missing_ttl is not None and not response.answer:
        response.authority.append(dns.rrset.from_text(".", missing_ttl, "IN", "SOA", f"{SOA} {missing_ttl}"))
    return response.to_wire(max_size=65535)


def with_rcode(rcode: dns.rcode.Rcode) -> Answer:
    """Every question is answered by this code and nothing else."""

    def answer(query: dns.message.Message) -> bytes:
        response = dns.message.make_response(query)
        response.set_rcode(rcode)
        return response.to_wire()

    return answer


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, server: DnsServer) -> None:
        self._server = server

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        server = self._server
        query = dns.message.from_wire(data)
        server.saw(query, "udp")
        if server.truncate:
            response = dns.message.make_response(query)
            response.flags |= dns.flags.TC
            self._transport.sendto(response.to_wire(), addr)
        elif (wire := server.answer(query)) is not None:
            asyncio.get_running_loop().call_later(server.delay_seconds, self._transport.sendto, wire, addr)


class DnsServer:
    """Answers by `answer`, which may be changed while it runs; None is no answer. `asked` has each question that came,
    as "A a.test udp". With `truncate` UDP says only that TCP has it. With a `tls` context there is TLS in place of TCP.
    """

    def __init__(
        self,
        answer: Answer,
        *,
        truncate: bool = False,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        delay_seconds: float = 0.0,
    ) -> None:
        self.answer, self.truncate, self.delay_seconds = answer, truncate, delay_seconds
        self.asked: list[str] = []
        self._tls = tls
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._tcp = socket.create_server((host, port), family=family)
        self.port: int = self._tcp.getsockname()[1]
        self._udp = socket.socket(family, socket.SOCK_DGRAM)
        self._udp.bind((host, self.port))
        self._loop = asyncio.new_event_loop()
        self._stop, self._ready = asyncio.Event(), threading.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),))

    def saw(self, query: dns.message.Message, how: str) -> None:
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True)
        self.asked.append(f"{dns.rdatatype.to_text(question.rdtype)} {name} {how}")

    async def _serve(self) -> None:
        udp, _ = await self._loop.create_datagram_endpoint(lambda: _Udp(self), sock=self._udp)
        async with await asyncio.start_server(self._talk, sock=self._tcp, ssl=self._tls):
            self._ready.set()
            await self._stop.wait()
        udp.close()
        await asyncio.sleep(0)  # it closes its socket

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, EOFError):  # the client may go away at any time
            length = int.from_bytes(await reader.readexactly(2), "big")
            query = dns.message.from_wire(await reader.readexactly(length))
            self.saw(query, "tls" if self._tls else "tcp")
            wire = self.answer(query)
            if wire is not None:
                await asyncio.sleep(self.delay_seconds)
                writer.write(len(wire).to_bytes(2, "big") + wire)
                await writer.drain()
        with suppress(OSError):
            writer.close()
            await writer.wait_closed()

    def __enter__(self) -> DnsServer:
        self._thread.start()
        self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        self._loop.close()
