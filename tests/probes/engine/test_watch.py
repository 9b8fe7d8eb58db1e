"""Both ways to watch a socket: nothing that happens is missed, and nothing is waited for that has happened."""

from __future__ import annotations

import asyncio
import gc
import socket
import weakref
from collections.abc import Callable

import pytest

from probes.engine import dial
from probes.engine import watch as watch_module
from probes.engine.exchange import Exchange
from probes.engine.stream import Stream, open_stream
from probes.engine.watch import Watch, _EpollWatch, _LoopWatch
from probes.result import FailureReason, Phase
from tests.probes.support import eventually, probe, reason
from tests.support.misbehaving import Misbehaving, Peer, full_backlog
from tests.support.nginx import Nginx

BOTH = pytest.mark.parametrize("make", [_EpollWatch, _LoopWatch], ids=["epoll", "loop"])
Make = Callable[[socket.socket], Watch]
LARGE = bytes(8_000_000)


@pytest.fixture
def made(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dial, "watch", make)


async def opened(server: Misbehaving) -> Stream:
    return await open_stream("127.0.0.1", server.port, Exchange(), deadline=asyncio.get_running_loop().time() + 20)


@BOTH
@pytest.mark.usefixtures("made")
async def test_what_comes_in_pieces_is_read_to_its_end() -> None:
    async def talk(peer: Peer) -> None:
        for piece in (b"a", b"b" * 70_000, b"c"):
            await peer.send(piece)
            await asyncio.sleep(0)

    with Misbehaving(talk) as server:
        stream = await opened(server)
        await stream.send(b"begin")
        got = b""
        async with asyncio.timeout(20):
            while data := await stream.receive():
                got += data
        assert got == b"a" + b"b" * 70_000 + b"c"
        assert await stream.receive() == b""  # and it stays ended
        stream.close()


@BOTH
@pytest.mark.usefixtures("made")
async def test_what_came_before_anybody_waited_is_there() -> None:
    async def greet(peer: Peer) -> None:
        await peer.send(b"hello")

    with Misbehaving(greet) as server:
        stream = await opened(server)
        await stream.send(b"begin")
        await eventually(lambda: server.sent_bytes == 5, "the greeting")
        async with asyncio.timeout(20):
            assert await stream.receive() == b"hello"
            assert await stream.receive() == b""
        stream.close()


@BOTH
@pytest.mark.usefixtures("made")
async def test_more_than_the_kernel_takes_is_sent_as_it_makes_room() -> None:
    read = 0

    async def swallow(peer: Peer) -> None:
        nonlocal read
        while data := await peer.reader.read(65536):
            read += len(data)
            if read >= len(LARGE) - 65536:
                await peer.send(b"ok")

    with Misbehaving(swallow) as server:
        stream = await opened(server)
        async with asyncio.timeout(60):
            await stream.send(LARGE)
            assert await stream.receive()
        stream.close()


@BOTH
@pytest.mark.usefixtures("made")
async def test_a_reset_is_told_also_while_nothing_is_waited_for() -> None:
    async def reset(peer: Peer) -> None:
        peer.reset()

    with Misbehaving(reset) as server:
        result = await probe(server.url)
        assert reason(result) is FailureReason.RESET


@BOTH
@pytest.mark.usefixtures("made")
async def test_a_connection_that_is_refused_or_never_made() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert reason(await probe(f"tcp://127.0.0.1:{port}")) is FailureReason.REFUSED
    with full_backlog() as port:
        result = await probe(f"tcp://127.0.0.1:{port}", timeout="300ms")
        assert reason(result) is FailureReason.TIMEOUT
        assert Phase.CONNECT in dict(result.phases)


@BOTH
@pytest.mark.usefixtures("made")
async def test_many_at_once_under_tls_and_none_is_left_over(nginx: Nginx) -> None:
    options = {"tls": {"ca_file": nginx.ca_file}}
    results = await asyncio.gather(*(probe(f"{nginx.https_url}/{number}", **options) for number in range(100)))
    assert all(result.ok for result in results)
    if dial.watch is _EpollWatch:
        assert not watch_module._poller()._watches


def test_a_poller_goes_with_its_loop() -> None:
    loop = asyncio.new_event_loop()

    async def use() -> weakref.ref[object]:
        return weakref.ref(watch_module._poller())

    gone = loop.run_until_complete(use())
    assert gone() is not None
    loop.close()
    del loop
    gc.collect()
    assert gone() is None


async def test_to_close_twice_takes_nothing_from_who_has_the_number_now() -> None:
    one, other = socket.socketpair()
    with one, other:
        first = _EpollWatch(one)
        poller = watch_module._poller()
        second = _EpollWatch.__new__(_EpollWatch)
        poller._watches[one.fileno()] = second  # the number, given out again
        first.close()
        assert poller._watches == {one.fileno(): second}
        poller._watches.clear()
