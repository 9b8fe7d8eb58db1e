"""When a socket can be read or written. A probe has a connection of its own, so what it costs to watch one counts.

On Linux each is put once into an epoll of ours, edge-triggered, which the event loop watches as one descriptor: the
loop's own add_writer, remove_writer, add_reader and remove_reader would be eight calls to the kernel for each probe.
"""

from __future__ import annotations

import asyncio
import select
import socket
from typing import Any, Protocol
from weakref import WeakKeyDictionary


class Watch(Protocol):
    """`may_read`: reading was not in vain yet, and worth a try. Who finds it in vain sets it to False, and waits."""

    may_read: bool

    async def readable(self) -> None: ...

    async def writable(self) -> None:
        """When it may be tried again; at first, when the connection is made or has failed."""
        ...

    def read_all(self) -> None:
        """A read gave less than was asked for: there is no more for now."""
        ...

    def close(self) -> None:
        """Before the socket is closed."""
        ...


def watch(sock: socket.socket) -> Watch:
    """Of a non-blocking socket that has begun to connect."""
    return _EpollWatch(sock) if hasattr(select, "epoll") else _LoopWatch(sock)


class _EpollWatch:
    __slots__ = ("_descriptor", "_ended", "_may_write", "_poller", "_waiting", "may_read")

    def __init__(self, sock: socket.socket) -> None:
        self.may_read = self._may_write = self._ended = False
        self._waiting: asyncio.Future[None] | None = None
        self._descriptor = sock.fileno()
        self._poller = _poller()
        self._poller.add(self._descriptor, self)

    async def readable(self) -> None:
        while not self.may_read:
            await self._event()

    async def writable(self) -> None:
        while not self._may_write:
            await self._event()
        self._may_write = False  # used up: a caller that comes again has found that it may not

    def read_all(self) -> None:
        # That the other side has ended is told once, and may have come with the last bytes: reading finds it.
        self.may_read = self._ended

    def close(self) -> None:
        self._poller.forget(self._descriptor, self)

    def happened(self, events: int) -> None:
        """An edge: something that is so now, and is not told again."""
        if events & _ENDED:
            self._ended = True
        self.may_read |= bool(events & _TO_READ)
        self._may_write |= bool(events & _TO_WRITE)
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    async def _event(self) -> None:
        self._waiting = asyncio.get_running_loop().create_future()
        await self._waiting


if hasattr(select, "epoll"):
    _ENDED = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
    _TO_READ, _TO_WRITE = select.EPOLLIN | _ENDED, select.EPOLLOUT | select.EPOLLHUP | select.EPOLLERR
    _WATCHED = select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET


class _Poller:
    """One for each event loop, of which it holds nothing: it goes when the loop does."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._watches: dict[int, _EpollWatch] = {}
        asyncio.get_running_loop().add_reader(self._epoll.fileno(), self._dispatch)

    def add(self, descriptor: int, watch: _EpollWatch) -> None:
        self._watches[descriptor] = watch
        self._epoll.register(descriptor, _WATCHED)

    def forget(self, descriptor: int, watch: _EpollWatch) -> None:
        """The kernel forgets it when it is closed; the number may be another socket's by now."""
        if self._watches.get(descriptor) is watch:
            del self._watches[descriptor]

    def _dispatch(self) -> None:
        # Nothing is opened or closed in here: what it wakes up runs later. So each descriptor is still the one it was.
        for descriptor, events in self._epoll.poll(0):
            if (watch := self._watches.get(descriptor)) is not None:
                watch.happened(events)


_pollers: WeakKeyDictionary[asyncio.AbstractEventLoop, Any] = WeakKeyDictionary()


def _poller() -> _Poller:
    loop = asyncio.get_running_loop()
    poller: _Poller | None = _pollers.get(loop)
    if poller is None:
        poller = _pollers[loop] = _Poller()
    return poller


class _LoopWatch:
    """By the event loop alone, where there is no epoll."""

    __slots__ = ("_sock", "may_read")

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self.may_read = False

    async def readable(self) -> None:
        loop, ready = asyncio.get_running_loop(), asyncio.get_running_loop().create_future()
        loop.add_reader(self._sock, _set, ready)
        try:
            await ready
        finally:
            loop.remove_reader(self._sock)
        self.may_read = True

    async def writable(self) -> None:
        loop, ready = asyncio.get_running_loop(), asyncio.get_running_loop().create_future()
        loop.add_writer(self._sock, _set, ready)
        try:
            await ready
        finally:
            loop.remove_writer(self._sock)

    def read_all(self) -> None:
        self.may_read = False

    def close(self) -> None:
        """Nothing is watched while nobody waits."""


def _set(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)
