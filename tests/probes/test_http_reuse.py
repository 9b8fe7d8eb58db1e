"""`reuse: true`: one connection for many probes, and never a failure that is only the old connection's."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
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


async def test_what_nobody_comes_back_for_is_closed() -> None:
    with Misbehaving(answer_all) as server:
        await probes(target(server.url, reuse=True, name="gone", every="100ms", timeout="100ms"), 1)

        async def closed() -> bool:
            return not transport._kept._kept

        await auntil(closed, seconds=20, what="the end of what is kept")


async def test_what_must_not_be_asked_twice_has_a_connection_of_its_own() -> None:
    """One that breaks after the request was read must not lead to a second order."""

    async def swallow(peer: Peer) -> None:
        await peer.send(ANSWER)

    with Misbehaving(swallow) as server:
        results = await probes(target(server.url, reuse=True, method="POST", body="order"), 3)
        assert all(result.ok for result in results)
        assert len(server.requests) == server.connections == 3
        assert not transport._kept._kept


async def test_the_first_connection_is_kept_though_its_answer_leads_elsewhere(nginx: Nginx) -> None:
    before, after = await probes(target(f"{nginx.http_url}/moved", reuse=True, expect={"status": [404, 200]}), 2)
    assert before.http is not None
    assert before.http.redirects == 1
    assert "t" in transport._kept._kept
    assert after.http == before.http
    transport._kept.close()


class SpeaksTls:
    """A TLS server of one connection at a time, that answers each request with these records, in one packet."""

    def __init__(self, nginx: Nginx, *records: bytes) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(nginx.folder / "server.pem", nginx.folder / "server.key")
        self._records = records
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"https://127.0.0.1:{self._listening.getsockname()[1]}/"
        self.connections = 0
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                self.connections += 1
                with connection, suppress(OSError):
                    self._talk(connection)

    def _talk(self, connection: socket.socket) -> None:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = self._context.wrap_bio(incoming, outgoing, server_side=True)
        step: Callable[[], object] = tls.do_handshake
        while data := connection.recv(65536):
            incoming.write(data)
            with suppress(ssl.SSLWantReadError):
                step()
                step = lambda: tls.read(65536)  # noqa: E731
                step()
                for record in self._records:
                    tls.write(record)
            connection.sendall(outgoing.read())

    def __enter__(self) -> SpeaksTls:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join(10)


async def test_a_second_answer_in_the_tls_layer_is_not_taken_for_the_next_probes(nginx: Nginx) -> None:
    with SpeaksTls(nginx, ANSWER, OK + b"Content-Length: 5\r\n\r\nstale") as server:
        asked = target(server.url, reuse=True, tls={"ca_file": nginx.ca_file}, expect={"body": {"regex": "^ok$"}})
        assert [result.ok for result in await probes(asked, 3)] == [True] * 3
        assert server.connections == 3
        transport._kept.close()
