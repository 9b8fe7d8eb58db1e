"""`reuse: true`: one connection for many probes, and never a failure that is only the old connection's."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import suppress

import pytest

from probes import load
from probes.engine import transport
from probes.result import Clock, FailureReason, Phase, ProbeResult
from probes.target import Target
from tests.probes.support import CONTEXT, reason, target
from tests.support.misbehaving import OK, Misbehaving, Peer
from tests.support.nginx import Nginx
from tests.support.wait import auntil

ANSWER = OK + b"Content-Length: 2\r\n\r\nok"
CONNECTING = {Phase.RESOLVE, Phase.CONNECT, Phase.TLS}


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    yield
    transport._kept._kept.clear()


async def probes(asked: Target, count: int) -> list[ProbeResult]:
    return [await load("http")(asked, CONTEXT) for _ in range(count)]


async def answer_all(peer: Peer) -> None:
    await peer.send(ANSWER)
    while await peer.reader.read(65536):
        await peer.send(ANSWER)


async def test_later_probes_have_no_connect_and_no_tls(nginx: Nginx) -> None:
    expect = {"tls": {"version": "1.2"}}
    asked = target(nginx.https_url, reuse=True, tls={"ca_file": nginx.ca_file}, expect=expect)
    first, second, third = await probes(asked, 3)
    assert set(dict(first.phases)) >= CONNECTING
    for again in (second, third):
        assert again.ok
        assert not set(dict(again.phases)) & CONNECTING
        assert again.tls == first.tls  # it is still what the connection stands on
        assert again.address == first.address
        assert again.clock is Clock.KERNEL
    transport._kept.close()


async def test_one_connection_is_made() -> None:
    with Misbehaving(answer_all) as server:
        results = await probes(target(server.url, reuse=True), 5)
        assert all(result.ok for result in results)
        assert server.connections == 1
        transport._kept.close()


async def test_without_the_setting_each_probe_connects() -> None:
    with Misbehaving(answer_all) as server:
        await probes(target(server.url), 3)
        assert server.connections == 3
    assert not transport._kept._kept


async def test_a_connection_that_was_closed_meanwhile_is_made_anew() -> None:
    async def once(peer: Peer) -> None:
        await peer.send(ANSWER)

    with Misbehaving(once) as server:
        asked = target(server.url, reuse=True)
        for number in range(1, 4):
            (result,) = await probes(asked, 1)
            assert result.ok
            assert server.connections == number
        transport._kept.close()


async def test_one_that_is_closed_just_as_it_is_asked_is_asked_anew_and_only_then() -> None:
    async def close_on_the_second(peer: Peer) -> None:
        await peer.send(ANSWER)
        await peer.reader.read(65536)
        if len(server.requests) == 1:
            return
        await peer.send(b"HTTP/1.1 2")  # the beginning of an answer: it was asked, and must not be asked twice

    with Misbehaving(close_on_the_second) as server:
        asked = target(server.url, reuse=True)
        first, second, third = await probes(asked, 3)
        assert first.ok
        assert second.ok
        assert Phase.CONNECT in dict(second.phases)
        assert reason(third) is FailureReason.RESET
        assert server.connections == 2


@pytest.mark.parametrize(
    "wire",
    [
        OK + b"Connection: close\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        OK + b"\r\nok",  # it ends with the connection
    ],
)
async def test_what_ends_the_connection_is_not_kept(wire: bytes) -> None:
    async def answer(peer: Peer) -> None:
        await peer.send(wire)

    with Misbehaving(answer) as server:
        assert [result.ok for result in await probes(target(server.url, reuse=True), 2)] == [True, True]
        assert not transport._kept._kept


async def test_a_cut_body_is_not_kept() -> None:
    async def answer(peer: Peer) -> None:
        await peer.send(OK + b"Content-Length: 100\r\n\r\n" + b"x" * 100)

    with Misbehaving(answer) as server:
        (result,) = await probes(target(server.url, reuse=True, max_body_bytes=10), 1)
        assert result.http is not None
        assert result.http.body_cut
        assert not transport._kept._kept


async def test_words_that_nobody_asked_for_end_it() -> None:
    async def talkative(peer: Peer) -> None:
        await peer.send(ANSWER)
        await peer.send(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
        await peer.hang()

    with Misbehaving(talkative) as server:
        asked = target(server.url, reuse=True)
        for number in range(1, 4):
            (result,) = await probes(asked, 1)
            assert result.ok
            assert server.connections == number
            kept = transport._kept._kept.get("t")
            if kept is None:  # the words came along with the answer
                continue

            async def spoken(sock: socket.socket = kept.stream._sock) -> bool:
                with suppress(BlockingIOError):
                    return bool(sock.recv(1, socket.MSG_PEEK))
                return False

            await auntil(spoken, seconds=20, what="the words")
        transport._kept.close()


async def test_another_address_under_the_same_name_is_another_connection() -> None:
    with Misbehaving(answer_all) as one, Misbehaving(answer_all) as two:
        await probes(target(one.url, reuse=True), 1)
        (result,) = await probes(target(two.url, reuse=True), 1)
        assert result.ok
        assert (one.connections, two.connections) == (1, 1)
        transport._kept.close()


async def test_what_nobody_comes_back_for_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport._kept, "_swept", -1e9)
    with Misbehaving(answer_all) as server:
        gone = target(server.url, reuse=True, name="gone", every="100ms", timeout="100ms")
        await probes(gone, 1)
        kept = transport._kept._kept["gone"]
        transport._kept._sweep(kept.until + 1)
        assert "gone" not in transport._kept._kept
        transport._kept.close()
