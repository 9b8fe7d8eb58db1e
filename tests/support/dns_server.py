"""A small real DNS server on loopback, over UDP and TCP on one port."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Sequence
from functools import partial

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

Answer = Callable[[dns.message.Message], bytes | None]


def records(*rows: tuple[str, str, str]) -> Answer:
    """A zone of (name, type, value); every other name is NXDOMAIN."""
    return partial(_from_zone, rows)


def _from_zone(rows: Sequence[tuple[str, str, str]], query: dns.message.Message) -> bytes:
    asked = query.question[0]
    response = dns.message.make_response(query)
    known = [row for row in rows if row[0] == asked.name.to_text(omit_final_dot=True)]
    response.set_rcode(dns.rcode.NOERROR if known else dns.rcode.NXDOMAIN)
    for _, rdtype, value in known:
        rrset = dns.rrset.from_text(asked.name, 60, "IN", rdtype, value)
        if rrset.rdtype == asked.rdtype:
            response.answer.append(rrset)
    return response.to_wire()


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, answer: Answer, truncate: bool) -> None:
        self._answer, self._truncate = answer, truncate

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        if self._truncate:
            response = dns.message.make_response(query)
            response.flags |= dns.flags.TC
            self._transport.sendto(response.to_wire(), addr)
        elif (wire := self._answer(query)) is not None:
            self._transport.sendto(wire, addr)


class DnsServer:
    """Answers by `answer`; None is no answer. With `truncate` UDP says only that TCP has it."""

    def __init__(self, answer: Answer, *, truncate: bool = False) -> None:
        self._answer, self._truncate = answer, truncate
        self._tcp = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._tcp.getsockname()[1]
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.bind(("127.0.0.1", self.port))
        self._loop = asyncio.new_event_loop()
        self._stop, self._ready = asyncio.Event(), threading.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),))

    async def _serve(self) -> None:
        udp, _ = await self._loop.create_datagram_endpoint(lambda: _Udp(self._answer, self._truncate), sock=self._udp)
        async with await asyncio.start_server(self._talk, sock=self._tcp):
            self._ready.set()
            await self._stop.wait()
        udp.close()
        await asyncio.sleep(0)  # it closes its socket

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        length = int.from_bytes(await reader.readexactly(2), "big")
        wire = self._answer(dns.message.from_wire(await reader.readexactly(length)))
        if wire is not None:
            writer.write(len(wire).to_bytes(2, "big") + wire)
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
