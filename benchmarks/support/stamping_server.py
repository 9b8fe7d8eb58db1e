"""A server that knows when it answered, because the kernel tells it.

    python -m benchmarks.support.stamping_server PORT FILE

GET /SLEEP_MS/BODY_MS/FAILS_FROM_MS/NAME is answered after SLEEP_MS: with 200, or with 503 from the unix time
FAILS_FROM_MS on (0: never); the body follows the head after BODY_MS. POST is answered at once, as PagerDuty's Events
API v2 answers. The client closes. At SIGTERM it writes FILE, a JSON line for each request: [path, status, arrived_ns,
departed_ns, body of a POST].

Both times are the kernel's software stamps (SO_TIMESTAMPING, CLOCK_REALTIME): when the request's segment came in,
however late this process read it, and when the answer's segment, or the first of two, was handed to the device, which
on loopback is when it came in at the other end. So this server may be as late as it likes: it stands in the record, and
is nobody's error. It does not close by itself because the kernel joins the end of a stream to what waits to be read
before it, and keeps only the later stamp: its own lag between the two would come out as the prober's.
"""

from __future__ import annotations

import heapq
import json
import resource
import select
import signal
import socket
import struct
import sys
import time
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

SO_TIMESTAMPING = 37
# Software stamps of what is sent (2) and received (8), reported (16), without a copy of what was sent (2048).
STAMPS = 2 | 8 | 16 | 2048
TIMESPEC = struct.Struct("qq")
PHRASES = {200: "OK", 202: "Accepted", 503: "Service Unavailable"}
TAKEN = b'{"status":"success","message":"Event processed","dedup_key":"k"}'
BODY = b"an answer of an ordinary size for a health check: all is well here\n"


class _Connection:
    __slots__ = ("arrived_ns", "body_seconds", "buffer", "record", "rest", "sock")

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.buffer = b""
        self.arrived_ns: int | None = None
        self.record: list[Any] = []  # of the request that is being answered
        self.body_seconds = 0.0
        self.rest = b""  # of the answer, to be sent later


class _Server:
    def __init__(self, port: int) -> None:
        self.records: list[list[Any]] = []
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPING, STAMPS)  # what it accepts inherits this
        self._listener.bind(("127.0.0.1", port))
        self._listener.listen(4096)
        self._listener.setblocking(False)
        self._epoll = select.epoll()
        self._epoll.register(self._listener, select.EPOLLIN)
        self._open: dict[int, _Connection] = {}
        self._due: list[tuple[float, int, _Connection]] = []
        self._numbers = count()

    def serve_for_ever(self) -> None:
        while True:
            wait_seconds = max(0.0, self._due[0][0] - time.monotonic()) if self._due else -1
            for number, events in self._epoll.poll(wait_seconds):
                if number == self._listener.fileno():
                    self._accept()
                elif number in self._open:
                    self._ready(self._open[number], events)
            while self._due and self._due[0][0] <= time.monotonic():
                connection = heapq.heappop(self._due)[2]
                if connection.rest:
                    rest, connection.rest = connection.rest, b""
                    self._send(connection, rest)
                else:
                    self._answer(connection)

    def _accept(self) -> None:
        with suppress(BlockingIOError):
            while True:
                sock, _ = self._listener.accept()
                sock.setblocking(False)
                connection = self._open[sock.fileno()] = _Connection(sock)
                self._epoll.register(sock, select.EPOLLIN)
                self._read(connection)  # its request came with it, most often

    def _ready(self, connection: _Connection, events: int) -> None:
        if events & select.EPOLLERR:
            _note_departure(connection)
        if events & (select.EPOLLIN | select.EPOLLHUP):
            self._read(connection)

    def _read(self, connection: _Connection) -> None:
        try:
            data, ancillary, _, _ = connection.sock.recvmsg(65536, 256)
        except BlockingIOError:
            return
        except OSError:
            data, ancillary = b"", []
        if not data:
            self._close(connection)
            return
        if not connection.buffer:
            connection.arrived_ns = _stamp(ancillary)
        connection.buffer += data
        self._take(connection)

    def _take(self, connection: _Connection) -> None:
        """Have the request answered once it is whole. Nobody here sends the next one before."""
        head, blank, body = connection.buffer.partition(b"\r\n\r\n")
        if not blank:
            return
        method, path, *_ = head.decode("latin-1").split(" ", 2)
        length = head.lower().partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0]
        if len(body) < int(length or 0):
            return
        connection.buffer = b""
        sleep_seconds, connection.body_seconds, status = 0.0, 0.0, 202
        if method == "GET":
            sleep_ms, body_ms, fails_from_ms, _ = path[1:].split("/", 3)
            sleep_seconds, connection.body_seconds = int(sleep_ms) / 1000, int(body_ms) / 1000
            status = 503 if 0 < int(fails_from_ms) <= time.time() * 1000 else 200
        connection.record = [path, status, connection.arrived_ns, None, body.decode() if method == "POST" else None]
        if sleep_seconds == 0:
            self._answer(connection)
        else:
            self._later(connection, sleep_seconds)

    def _later(self, connection: _Connection, seconds: float) -> None:
        heapq.heappush(self._due, (time.monotonic() + seconds, next(self._numbers), connection))

    def _answer(self, connection: _Connection) -> None:
        status = connection.record[1]
        body = TAKEN if status == 202 else BODY
        head = f"HTTP/1.1 {status} {PHRASES[status]}\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n\r\n"
        self.records.append(connection.record)  # also of one that hung up: then it has no departure
        if connection.body_seconds == 0:
            self._send(connection, head.encode() + body)
            return
        connection.rest = body
        self._later(connection, connection.body_seconds)
        self._send(connection, head.encode())

    def _send(self, connection: _Connection, data: bytes) -> None:
        try:
            connection.sock.send(data)
        except OSError:
            self._close(connection)
            return
        _note_departure(connection)

    def _close(self, connection: _Connection) -> None:
        if connection.sock.fileno() >= 0:
            del self._open[connection.sock.fileno()]
            connection.sock.close()


def _note_departure(connection: _Connection) -> None:
    with suppress(OSError):
        _, ancillary, _, _ = connection.sock.recvmsg(0, 256, socket.MSG_ERRQUEUE)
        if connection.record and connection.record[3] is None:
            connection.record[3] = _stamp(ancillary)


def _stamp(ancillary: list[tuple[int, int, bytes]]) -> int | None:
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPING:
            seconds, nanoseconds = TIMESPEC.unpack_from(data)
            return int(seconds) * 10**9 + int(nanoseconds)
    return None


def main() -> None:
    port, file = int(sys.argv[1]), Path(sys.argv[2])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    server = _Server(port)
    try:
        server.serve_for_ever()
    finally:
        file.write_text("".join(json.dumps(record) + "\n" for record in server.records))


if __name__ == "__main__":
    main()
