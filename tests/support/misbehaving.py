"""Raw loopback servers that misbehave, each in one way, for as long as they are let.

    with Misbehaving("endless_headers") as server:
        ... server.url ...

They run in a thread with an event loop of its own, so that a test may probe them from its loop or another process.
"""

from __future__ import annotations

import asyncio
import gzip
import socket
import ssl
import struct
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial

BLOCK = b"x" * 65536
OK = b"HTTP/1.1 200 OK\r\n"
DRIP_SECONDS = 0.02


class Peer:
    """The other end of one connection; counts what was handed to the kernel for it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer, self.sent_bytes = reader, writer, 0
        self.request = b""

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()
        await asyncio.sleep(0)  # TLS that shuts down takes everything at once, for nothing
        self.sent_bytes += len(data)

    async def send_for_ever(self, data: bytes) -> None:
        while True:
            await self.send(data)

    async def drip(self, data: bytes) -> None:
        """A byte at a time, over and over."""
        while True:
            for byte in data:
                await self.send(bytes([byte]))
                await asyncio.sleep(DRIP_SECONDS)

    async def hang(self) -> None:
        await self.reader.read()  # until the client gives up

    def reset(self) -> None:
        """What was sent may be lost with it."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


Behaviour = Callable[[Peer], Awaitable[None]]


async def never_answers(peer: Peer) -> None:
    await peer.hang()


async def closes_at_once(peer: Peer) -> None:
    """Nothing is sent."""


async def resets_in_the_body(peer: Peer) -> None:
    await peer.send(OK + b"Content-Length: 1000\r\n\r\nhalf of")
    peer.reset()


async def resets_at_once(peer: Peer) -> None:
    peer.reset()


async def sends(data: bytes, peer: Peer) -> None:
    await peer.send(data)


async def sends_for_ever(start: bytes, then: bytes, peer: Peer) -> None:
    await peer.send(start)
    await peer.send_for_ever(then)


async def drips(start: bytes, then: bytes, peer: Peer) -> None:
    await peer.send(start)
    await peer.drip(then)


async def sends_and_hangs(data: bytes, peer: Peer) -> None:
    await peer.send(data)
    await peer.hang()


BOMB = gzip.compress(bytes(50_000_000))
TWICE = gzip.compress(BOMB)
PACKED = OK + b"Content-Encoding: %b\r\nContent-Length: %d\r\n\r\n%b"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
BEHAVIOURS: dict[str, Behaviour] = {
    "never_answers": never_answers,
    "closes_at_once": closes_at_once,
    "closes_in_the_headers": partial(sends, OK + b"Content-Le"),
    "closes_in_the_body": partial(sends, OK + b"Content-Length: 100\r\n\r\nonly this"),
    "closes_in_a_chunk": partial(sends, CHUNKED + b"64\r\nonly this"),
    "resets_at_once": resets_at_once,
    "resets_in_the_body": resets_in_the_body,
    "drips_headers": partial(drips, OK, b"X-A: b\r\n"),
    "drips_body": partial(drips, OK + b"Content-Length: 1000000\r\n\r\n", b"x"),
    "drips_chunks": partial(drips, CHUNKED, b"1\r\nx\r\n"),
    "drips_trailers": partial(drips, CHUNKED + b"2\r\nok\r\n0\r\n", b"X-A: b\r\n"),
    "drips_interim": partial(drips, b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "hangs_in_the_body": partial(sends_and_hangs, OK + b"Content-Length: 1000\r\n\r\nhalf of"),
    "endless_headers": partial(sends_for_ever, OK, b"X-Padding: " + BLOCK[:1000] + b"\r\n"),
    "endless_header": partial(sends_for_ever, OK + b"X-Padding: ", BLOCK),
    "endless_line": partial(sends_for_ever, b"HTTP/1.1 200 ", BLOCK),
    "endless_empty_lines": partial(sends_for_ever, b"", b"\r\n" * 30_000),
    "endless_interim": partial(sends_for_ever, b"", b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n" * 100),
    "endless_bare_interim": partial(sends_for_ever, b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
    "endless_body": partial(sends_for_ever, OK + b"\r\n", BLOCK),
    "gigabyte_body": partial(sends_for_ever, OK + b"Content-Length: 1073741824\r\n\r\n", BLOCK),
    "endless_chunks": partial(sends_for_ever, CHUNKED, b"10000\r\n" + BLOCK + b"\r\n"),
    "endless_chunk_extension": partial(sends_for_ever, CHUNKED + b"1;", BLOCK),
    "endless_chunk_size": partial(sends_for_ever, CHUNKED, b"0" * 65536),
    "endless_trailers": partial(sends_for_ever, CHUNKED + b"2\r\nok\r\n0\r\n", b"X-Padding: " + BLOCK[:1000] + b"\r\n"),
    "not_http": partial(sends, b"SSH-2.0-OpenSSH_9.2p1\r\n" * 4),
    "not_http_status": partial(sends, b"HTTP/1.1 20 OK\r\n\r\n"),
    "not_http_version": partial(sends, b"HTTP/9.9 200 OK\r\nContent-Length: 0\r\n\r\n"),
    "not_http_length": partial(sends, OK + b"Content-Length: many\r\n\r\n"),
    "not_http_both": partial(sends, OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    "not_http_chunk": partial(sends, CHUNKED + b"two\r\nok\r\n"),
    "http_2": partial(sends, b"\x00\x00\x12\x04\x00\x00\x00\x00\x00" + bytes(18)),
    "not_text": partial(sends, OK + b"Content-Length: 8\r\n\r\n\xff\xfe ok \x80\xc3"),
    "compressed_bomb": partial(sends, PACKED % (b"gzip", len(BOMB), BOMB)),
    "compressed_twice": partial(sends, PACKED % (b"gzip, gzip", len(TWICE), TWICE)),
    "not_compressed": partial(sends, PACKED % (b"gzip", 2, b"ok")),
}


class Misbehaving:
    """A server that treats every connection by one of `BEHAVIOURS`, or by a function of the test's own; after the
    handshake, if it is given a TLS context."""

    def __init__(self, behaviour: str | Behaviour, *, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self._behave = BEHAVIOURS[behaviour] if isinstance(behaviour, str) else behaviour
        self._peers: list[Peer] = []
        self.requests: list[bytes] = []
        self._loop = asyncio.new_event_loop()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),))

    @property
    def port(self) -> int:
        port: int = self._listening.getsockname()[1]
        return port

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}/"

    @property
    def connections(self) -> int:
        return len(self._peers)

    @property
    def sent_bytes(self) -> int:
        return sum(peer.sent_bytes for peer in self._peers)

    async def _serve(self) -> None:
        waits = {"ssl_shutdown_timeout": 0.2} if self._tls else {}
        async with await asyncio.start_server(self._talk, sock=self._listening, ssl=self._tls, **waits):
            await self._stop.wait()
        talking = asyncio.all_tasks() - {asyncio.current_task()}
        for task in talking:
            task.cancel()
        await asyncio.gather(*talking, return_exceptions=True)
        for peer in self._peers:
            peer.writer.transport.abort()
        await asyncio.sleep(0)  # the transports close their sockets

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(reader, writer)
        self._peers.append(peer)
        with suppress(OSError, asyncio.CancelledError):
            peer.request = await reader.read(65536)  # for TLS the client's hello
            self.requests.append(peer.request)
            await self._behave(peer)
        writer.close()

    def __enter__(self) -> Misbehaving:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        self._loop.close()


@contextmanager
def full_backlog(host: str = "127.0.0.1", port: int = 0) -> Iterator[int]:
    """A port that listens but whose queue is full, so that connecting to it never ends."""
    with ExitStack() as stack:
        server = stack.enter_context(socket.socket())
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((host, port))
        server.listen(0)
        for _ in range(4):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(server.getsockname())
        yield server.getsockname()[1]
