"""A UDP socket to one server: only what that one sends is read, and one that is not there is known at once."""

from __future__ import annotations

import asyncio
import socket
import time
from types import TracebackType
from typing import Self

from probes.engine.arrivals import ANCILLARY_BYTES, Arrivals, ask_for_stamps
from probes.engine.resolve import Address

LARGEST_BYTES = 65535


class Datagrams:
    """`arrived` is when the last datagram came, on the monotonic clock: by the kernel's stamp where `stamped` says so,
    else when it was read. The caller holds the deadline. Everything raises OSError."""

    def __init__(self, server: Address) -> None:
        self.arrived = 0.0
        self.stamped = False
        self._sock = socket.socket(server.family, socket.SOCK_DGRAM)
        try:
            self._sock.setblocking(False)
            ask_for_stamps(self._sock)
            self._sock.connect(server.sockaddr)
        except BaseException:
            self._sock.close()
            raise
        self._arrivals = Arrivals()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sock.close()

    async def send(self, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self._sock, data)

    async def receive(self) -> bytes:
        while True:
            await self._readable()
            try:
                data, ancillary, _, _ = self._sock.recvmsg(LARGEST_BYTES, ANCILLARY_BYTES)
            except BlockingIOError:  # it came with a wrong checksum, and the kernel dropped it
                continue
            now = time.monotonic()
            arrived = self._arrivals.at(ancillary, now)
            self.stamped = arrived is not None
            self.arrived = now if arrived is None else arrived
            return data

    async def _readable(self) -> None:
        loop = asyncio.get_running_loop()
        readable = loop.create_future()
        loop.add_reader(self._sock.fileno(), _set, readable)
        try:
            await readable
        finally:
            loop.remove_reader(self._sock.fileno())


def _set(readable: asyncio.Future[None]) -> None:
    if not readable.done():
        readable.set_result(None)
