"""uvicorn inside the event loop of the program around it; signals stay that program's."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from types import MappingProxyType

import uvicorn
from starlette.types import ASGIApp

from monitor.errors import UserError

_BACKLOG = 128
_MOST_REQUESTS = 100
DATE_SECONDS = 1.0

_REMEDIES: Mapping[int, str] = MappingProxyType(
    {
        errno.EADDRINUSE: "another program listens there, perhaps another monitor; stop it, or choose another port",
        errno.EACCES: "ports below 1024 need a privilege; choose a higher port",
        errno.EADDRNOTAVAIL: "this machine has no such address; 127.0.0.1 is this machine only, 0.0.0.0 every address",
    }
)


def bind(host: str, port: int, place: str = "web.listen") -> socket.socket:
    """A listening socket; port 0 is any free one. Call it before anything else starts.

    Raises UserError naming `place` (the setting or option that gave the address), the address and the remedy.
    """
    shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(_BACKLOG)
        except OSError:
            listener.close()
            raise
    except socket.gaierror as error:
        raise UserError(f"{place}: {shown}: {error.strerror}; write an IP address or localhost") from None
    except UnicodeError:
        raise UserError(f"{place}: {shown}: not a host name; write an IP address or localhost") from None
    except OSError as error:
        remedy = _REMEDIES.get(error.errno or 0, "choose another address")
        raise UserError(f"{place}: {shown}: cannot listen there ({error.strerror}): {remedy}") from None
    listener.setblocking(False)
    return listener


def address_of(listener: socket.socket) -> str:
    """Where it really listens, as an address for people: the port is known only now when it was 0."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._ended = asyncio.Event()

    def end(self) -> None:
        self.should_exit = True
        self._ended.set()

    async def main_loop(self) -> None:
        """uvicorn's own looks ten times a second whether it should end, which costs more than all else when idle."""
        while not await self.on_tick(0):  # puts the second into the Date header
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), DATE_SECONDS)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def serve(app: ASGIApp, listener: socket.socket, grace_seconds: int = 5) -> AsyncIterator[None]:
    """Serve `app` inside the block; at its end let requests in hand finish for `grace_seconds`, then close."""
    # h11 and not httptools: it bounds what one request's headers may take
    config = uvicorn.Config(
        app,
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=_MOST_REQUESTS,
        timeout_graceful_shutdown=grace_seconds,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve([listener]), name="web")
    try:
        while not server.started:
            if task.done():
                task.result()
            await asyncio.sleep(0.01)
        yield
    finally:
        server.end()
        await task
        listener.close()
