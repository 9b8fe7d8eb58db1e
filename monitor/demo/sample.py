"""A small sample service with real faults: real sockets that really answer late, wrongly, or not at all."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

_SLOW_SECONDS = 0.3


@dataclass
class SampleService:
    """Four faces: `shop` and `search` over HTTP, `payments` over HTTPS, `inventory` over TCP; each with its fault.

    A face whose name is in `slow` answers late, in `failing` with status 500; `take_down` closes its port.
    """

    slow: set[str] = field(default_factory=set)
    failing: set[str] = field(default_factory=set)
    ports: dict[str, int] = field(default_factory=dict)
    _servers: dict[str, asyncio.Server] = field(default_factory=dict)
    _contexts: dict[str, ssl.SSLContext] = field(default_factory=dict)

    async def start(self, certificate: tuple[Path, Path]) -> Self:
        self.serve_certificate("payments", certificate)
        for face in ("shop", "search", "payments", "inventory"):
            await self.bring_up(face)
        return self

    def serve_certificate(self, face: str, certificate: tuple[Path, Path]) -> None:
        """From now on new connections get this (certificate file, key file): a renewal without a restart."""
        context = self._contexts.setdefault(face, ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(*certificate)

    async def bring_up(self, face: str) -> None:
        """Listen, on the same port as before if there was one."""
        server = await asyncio.start_server(
            lambda reader, writer: self._answer(face, reader, writer),
            "127.0.0.1",
            self.ports.get(face, 0),
            ssl=self._contexts.get(face),
        )
        self._servers[face] = server
        self.ports[face] = server.sockets[0].getsockname()[1]

    async def take_down(self, face: str) -> None:
        """Close the port: connections are refused until `bring_up`."""
        server = self._servers.pop(face)
        server.close()
        await server.wait_closed()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for face in list(self._servers):
            await self.take_down(face)

    async def _answer(self, face: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            if face != "inventory":
                await reader.readuntil(b"\r\n\r\n")
                if face in self.slow:
                    await asyncio.sleep(_SLOW_SECONDS)
                writer.write(_response(500, "down") if face in self.failing else _response(200, "up"))
                await writer.drain()
            writer.close()
            await writer.wait_closed()


def _response(status: int, state: str) -> bytes:
    body = f'{{"status": "{state}"}}\n'
    reason = "OK" if status == 200 else "Internal Server Error"
    headers = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n"
    return f"HTTP/1.1 {status} {reason}\r\n{headers}\r\n{body}".encode()
