"""A PagerDuty that misbehaves: a real HTTP server on loopback that goes through a list of faults, then behaves."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from alerts.incident import Incident, IncidentState
from alerts.pagerduty.event import PageEvent
from alerts.verdict import Level
from monitor.clock import Clock
from monitor.pager_sink.contract import Event, Invalid, parse, read_v1, read_v2
from monitor.pager_sink.ledger import Ledger
from monitor.store import Store

KEY = "5ec4e7f00dcafe115ec4e7f00dcafe11"  # an integration key that must never be seen anywhere


@dataclass(frozen=True, slots=True)
class Fault:
    """`takes`: the event counts although the sender does not learn it. `act` then says or does something bad."""

    name: str
    takes: bool
    act: Callable[[FaultyPager, asyncio.StreamWriter], Awaitable[None]]

    def __repr__(self) -> str:
        return self.name


@dataclass(slots=True)
class FaultyPager:
    url: str
    ledger: Ledger
    faults: list[Fault]
    bodies: list[dict[str, Any]] = field(default_factory=list)
    refused: list[tuple[str, ...]] = field(default_factory=list)
    flooded: int = 0


Act = Callable[[FaultyPager, asyncio.StreamWriter], Awaitable[None]]


def answer(status: str, body: str, *headers: str, kind: str = "application/json") -> bytes:
    head = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", f"Content-Length: {len(body.encode())}", *headers]
    return ("\r\n".join(head) + "\r\n\r\n" + body).encode()


def says(*parts: bytes) -> Act:
    async def act(pager: FaultyPager, writer: asyncio.StreamWriter) -> None:
        for part in parts:
            writer.write(part)
        await writer.drain()

    return act


async def hang_up(_: FaultyPager, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def black_hole(_: FaultyPager, __: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def reset_in_the_middle(_: FaultyPager, writer: asyncio.StreamWriter) -> None:
    writer.write(SUCCESS[: len(SUCCESS) - 10])
    await writer.drain()
    writer.transport.abort()


def drips(start: bytes, drop: bytes) -> Act:
    async def act(pager: FaultyPager, writer: asyncio.StreamWriter) -> None:
        writer.write(start)
        while True:
            writer.write(drop)
            await writer.drain()
            await asyncio.sleep(0.02)

    return act


def floods(start: bytes, wave: bytes) -> Act:
    async def act(pager: FaultyPager, writer: asyncio.StreamWriter) -> None:
        writer.write(start)
        while True:  # until the sender has had enough, which drain() tells
            writer.write(wave)
            await writer.drain()
            pager.flooded += len(wave)

    return act


SUCCESS = answer("202 Accepted", '{"status":"success","message":"Event processed"}')
HTML = "<html><body>Please log in</body></html>"
GIGABYTE = b"HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 1073741824\r\n\r\n"
QUOTES_THE_KEY = json.dumps({"status": "unavailable", "message": f"no shard for {KEY}", "errors": [KEY.upper()]})

FAULTS = (
    Fault("429 with a hint", False, says(answer("429 Too Many Requests", "{}", "Retry-After: 7"))),
    Fault("429 without a hint", False, says(answer("429 Too Many Requests", "Rate limit reached", kind="text/plain"))),
    Fault("403", False, says(answer("403 Forbidden", "{}"))),
    Fault("404", False, says(answer("404 Not Found", HTML, kind="text/html"))),
    Fault("500", False, says(answer("500 Internal Server Error", "boom", kind="text/plain"))),
    Fault("503 that quotes the key", False, says(answer("503 Service Unavailable", QUOTES_THE_KEY))),
    Fault("HTML 200", False, says(answer("200 OK", HTML, kind="text/html"))),
    Fault("HTML 400", False, says(answer("400 Bad Request", HTML, kind="text/html"))),
    Fault("redirect", False, says(answer("307 Temporary Redirect", "", "Location: http://127.0.0.1:9/"))),
    Fault("success without the word", False, says(answer("202 Accepted", '{"status":"queued?"}'))),
    Fault("garbage that was taken", True, says(answer("202 Accepted", '{"status": "succ'))),
    Fault("no HTTP at all", False, says(b"\x15\x03\x01 what?\r\n\r\n")),
    Fault("lost answer", True, hang_up),
    Fault("closed untaken", False, hang_up),
    Fault("reset in the middle of the answer", True, reset_in_the_middle),
    Fault("gigabyte", True, floods(GIGABYTE, b" " * 65536)),
    Fault("endless headers", True, floods(b"HTTP/1.1 202 Accepted\r\n", b"X-A: " + b"a" * 2000 + b"\r\n")),
)
# These end only at the sender's deadline.
SLOW_FAULTS = (
    Fault("black hole that took it", True, black_hole),
    Fault("black hole", False, black_hole),
    Fault("slow drip of the body", True, drips(GIGABYTE, b" ")),
    Fault("slow drip of the headers", True, drips(b"HTTP/1.1 202 Accepted\r\nX-A: ", b"a")),
)


@contextlib.asynccontextmanager
async def faulty_pager(
    faults: Iterable[Fault] = (), *, port: int = 0, tls: ssl.SSLContext | None = None
) -> AsyncIterator[FaultyPager]:
    pager = FaultyPager("", Ledger(), list(faults))
    handlers: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await _one_request(pager, reader, writer):
                pass
        except (OSError, asyncio.IncompleteReadError):
            pass  # the sender has gone
        finally:
            writer.close()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(serve(reader, writer))
        handlers.add(task)
        task.add_done_callback(handlers.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", port, ssl=tls)
    pager.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield pager
    finally:
        server.close()
        for task in tuple(handlers):
            task.cancel()
        await asyncio.gather(*handlers, return_exceptions=True)
        await server.wait_closed()


async def _one_request(pager: FaultyPager, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """False when the connection is over."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    path = head.split(" ")[1]
    length = next(line for line in head.split("\r\n") if line.lower().startswith("content-length:"))
    raw = await reader.readexactly(int(length.split(":")[1]))
    fault = pager.faults.pop(0) if pager.faults else None
    if fault is None or fault.takes:
        good = _take(pager, path, raw)
    if fault is None:
        writer.write(good)
        await writer.drain()
        return True
    await fault.act(pager, writer)
    return False


def _take(pager: FaultyPager, path: str, raw: bytes) -> bytes:
    read: Callable[[dict[str, Any]], Event]
    read, status = (read_v2, "202 Accepted") if path == "/v2/enqueue" else (read_v1, "200 OK")
    try:
        body = parse(raw)
        pager.bodies.append(dict(body))
        pager.ledger.take(read(body))
    except Invalid as invalid:
        pager.refused.append(invalid.errors)
        said = {"status": "invalid event", "message": f"Event object of {KEY} is invalid", "errors": invalid.errors}
        return answer("400 Bad Request", json.dumps(said))
    return answer(status, '{"status":"success","message":"Event processed"}')


async def enqueue(store: Store, clock: Clock, *events: PageEvent) -> int:
    """Open an incident of its own for the events and put them in the outbox; the incident's id."""
    async with store.write() as tx:
        target = uuid.uuid4().hex
        number, episode = await tx.allocate(target, "test")
        incident = Incident(
            id=number,
            target=target,
            region="test",
            episode=episode,
            dedup_key=target,
            state=IncidentState.TRIGGERED,
            level=Level.PAGE,
            severity="critical",
            title="down",
            route=events[0].route,
            opened_at=clock.now(),
        )
        await tx.save(incident)
        for event in events:
            await tx.enqueue(event, number, clock.now())
    return number
