"""The WebSocket probe: a real server of the library `websockets`, nginx, and servers that misbehave."""

from __future__ import annotations

import base64
import hashlib
import re
import ssl
import time
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path

import pytest
import trustme
from pydantic import SecretStr
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from probes.dialogue import Spoken
from probes.engine.failures import MAX_DETAIL_CHARACTERS
from probes.result import FailureReason, Phase
from tests.probes.support import detail, eventually, probe, reason
from tests.support.misbehaving import BEHAVIOURS, BLOCK, Behaviour, Misbehaving, Peer
from tests.support.nginx import Nginx
from tests.support.wait import free_port

SECRET = "s3cret-value-of-a-header"


class Server:
    """Says back what it is told, and remembers the requests and how connections were closed."""

    def __init__(self) -> None:
        self.port = 0
        self.requests: list[Request] = []
        self.closed: list[int | None] = []

    async def talk(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        self.requests.append(connection.request)
        try:
            async for message in connection:
                await connection.send(message)
        except ConnectionClosed:
            pass
        finally:
            self.closed.append(connection.close_code)

    @asynccontextmanager
    async def running(self, tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
        def authorise(connection: ServerConnection, request: Request) -> Response | None:
            refused = request.path == "/secret" and request.headers.get("Authorization") != f"Bearer {SECRET}"
            return connection.respond(HTTPStatus.UNAUTHORIZED, "no\n") if refused else None

        def choose(_: ServerConnection, offered: list[str]) -> str | None:
            return "v2.chat" if "v2.chat" in offered else None

        async with serve(
            self.talk, "127.0.0.1", 0, ssl=tls, process_request=authorise, select_subprotocol=choose
        ) as server:
            self.port = server.sockets[0].getsockname()[1]
            yield self


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with Server().running() as running:
        yield running


async def test_an_upgrade_and_its_phases(server: Server) -> None:
    result = await probe(f"ws://127.0.0.1:{server.port}/chat?room=%C3%A4")
    assert result.failure is None
    assert (result.kind, result.address) == ("websocket", "127.0.0.1")
    phases = [Phase.RESOLVE, Phase.CONNECT, Phase.PROCESSING, Phase.TRANSFER]
    assert [phase for phase, _ in result.phases] == phases
    assert result.http is not None
    assert (result.http.status_code, result.http.version) == (101, "1.1")
    assert server.requests[0].path == "/chat?room=%C3%A4"
    assert server.requests[0].headers["User-Agent"] == "monitor-oncall"
    assert "Sec-WebSocket-Extensions" not in server.requests[0].headers, "compression is not offered"
    await eventually(lambda: server.closed == [1000], "the server is told goodbye")


async def test_headers_are_sent_but_never_instead_of_the_upgrade_s_own(server: Server) -> None:
    url = f"ws://127.0.0.1:{server.port}/secret"
    assert reason(await probe(url)) is FailureReason.STATUS
    headers = {
        "authorization": SecretStr(f" Bearer {SECRET} "),
        "Host": SecretStr("chat.example.com"),
        "Origin": SecretStr("https://example.com"),
        "Connection": SecretStr("close"),
        "Sec-WebSocket-Key": SecretStr("none"),
    }
    assert (await probe(url, headers=headers)).ok
    seen = server.requests[-1].headers
    assert (seen["Host"], seen["Origin"]) == ("chat.example.com", "https://example.com")
    assert SECRET not in repr(await probe(url, headers={"X-Key": SecretStr(SECRET)}))


async def test_a_subprotocol_must_be_agreed_to_when_one_is_asked_for(server: Server) -> None:
    url = f"ws://127.0.0.1:{server.port}"
    assert (await probe(url, subprotocols=["v1.chat", "v2.chat"])).ok
    refused = await probe(url, subprotocols=["v1.chat", "mqtt"])
    assert reason(refused) is FailureReason.HEADER
    assert detail(refused) == "the server agreed to no subprotocol, expected v1.chat or mqtt"


async def test_over_tls(tmp_path: Path) -> None:
    ca, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("localhost").configure_cert(context)
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    async with Server().running(context) as server:
        result = await probe(f"wss://localhost:{server.port}", tls={"ca_file": tmp_path / "ca.pem"})
        assert result.failure is None
        assert result.tls is not None
        assert result.tls.verified
        assert Phase.TLS in dict(result.phases)
        assert reason(await probe(f"wss://localhost:{server.port}")) is FailureReason.CERTIFICATE


async def test_a_server_without_websockets_and_a_port_that_refuses(nginx: Nginx) -> None:
    for path, status in (("/", 200), ("/missing", 404), ("/moved", 301)):
        result = await probe(nginx.http_url.replace("http", "ws") + path)
        assert reason(result) is FailureReason.STATUS
        assert detail(result) == f"status {status}, expected 101 (switching protocols)"
        assert result.http is not None
        assert result.http.status_code == status
    assert reason(await probe(f"ws://127.0.0.1:{free_port()}/")) is FailureReason.REFUSED


async def test_a_dialogue_is_held_in_messages(server: Server) -> None:
    url = f"ws://127.0.0.1:{server.port}"
    dialogue = [
        {"send": '{"op": "ping",\n "id": 7}'},
        {"expect": '"id": (?P<id>[0-9]+)', "send": "again ${id} $$"},
        {"expect": "^again 7 [$]$"},
    ]
    result = await probe(url, dialogue=dialogue)
    assert result.failure is None
    assert [phase for phase, _ in result.phases][-2:] == [Phase.PROCESSING, Phase.TRANSFER]


async def test_what_is_not_said_is_a_response_that_was_not_expected(server: Server) -> None:
    url = f"ws://127.0.0.1:{server.port}"
    late = await probe(url, timeout="400ms", dialogue=[{"send": "hello"}, {"expect": "^goodbye"}])
    assert reason(late) is FailureReason.TIMEOUT
    assert "for a message with '^goodbye'; the last message was 'hello'" in detail(late)
    secret = Spoken(("token ", SecretStr(SECRET)))
    told = await probe(url, timeout="400ms", dialogue=[{"send": secret}, {"expect": "^welcome"}])
    assert "the last message was 'token ***'" in detail(told)
    assert SECRET not in repr(told)


async def test_a_server_that_closes_in_the_midst_of_a_dialogue() -> None:
    async def close(peer: Peer) -> None:
        await peer.send(b"\x81\x02hi\x88\x09\x03\xf0go away")
        await peer.hang()

    with Misbehaving(upgraded(close)) as server:
        result = await probe(server.url.replace("http", "ws"), dialogue=[{"expect": "ready"}])
    assert reason(result) is FailureReason.RESPONSE
    said = "expected 'ready', but the server closed the WebSocket with code 1008; the last message was 'hi'"
    assert detail(result) == said


FLOODS = {
    "pings": (b"\x89\x04ping" * 1000, FailureReason.TOO_LARGE),
    "empty messages": (b"\x81\x00" * 1000, FailureReason.TOO_LARGE),
    "fragments": (b"\x01\x01a" + b"\x00\x01a" * 1000, FailureReason.PROTOCOL),  # then another message begins
    "endless fragments of nothing": (b"\x01\x00" + b"\x00\x00" * 1001, FailureReason.TOO_LARGE),
    "messages": (b"\x81\x05hello" * 1000, FailureReason.RESPONSE),
    "a frame without an end": (b"\x82\x7f\0\0\0\x7f\xff\xff\xff\xff" + BLOCK, FailureReason.TOO_LARGE),
}


@pytest.mark.parametrize("flood", FLOODS)
async def test_a_flood_ends_in_time_with_a_reason_and_without_filling_the_memory(flood: str) -> None:
    wire, expected = FLOODS[flood]

    async def pour(peer: Peer) -> None:
        await peer.send_for_ever(wire)

    options = {"timeout": "20s", "every": "30s", "max_body_bytes": 100_000, "dialogue": [{"expect": "never"}]}
    with Misbehaving(upgraded(pour)) as server:
        await probe(server.url.replace("http", "ws"), **options)  # imports are no part of it
        tracemalloc.start()
        began = time.monotonic()
        result = await probe(server.url.replace("http", "ws"), **options)
        took, (_, peak_bytes) = time.monotonic() - began, tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert reason(result) is expected, result.failure
    assert took < 10
    assert peak_bytes < 4_000_000
    assert result.failure is not None
    assert len(result.failure.detail) <= MAX_DETAIL_CHARACTERS


def upgraded(then: Callable[[Peer], Awaitable[None]], *more: bytes, accept: bytes | None = None) -> Behaviour:
    """Answers the upgrade, with these header lines more, and goes on as `then` says."""

    async def behave(peer: Peer) -> None:
        key = re.search(rb"(?i)sec-websocket-key: (\S+)", peer.request)
        assert key is not None
        digest = hashlib.sha1(key[1] + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
        token = base64.b64encode(digest) if accept is None else accept
        lines = [
            b"HTTP/1.1 101 Switching Protocols",
            b"Upgrade: websocket",
            b"Connection: Upgrade",
            b"Sec-WebSocket-Accept: " + token,
            *more,
        ]
        await peer.send(b"\r\n".join(lines) + b"\r\n\r\n")
        await then(peer)

    return behave


UPGRADES = {
    "wrong key": (upgraded(Peer.hang, accept=b"bm8="), FailureReason.PROTOCOL),
    "no key": (upgraded(Peer.hang, accept=b""), FailureReason.PROTOCOL),
    "an extension that was not offered": (
        upgraded(Peer.hang, b"Sec-WebSocket-Extensions: permessage-deflate"),
        FailureReason.PROTOCOL,
    ),
    "a subprotocol that was not offered": (
        upgraded(Peer.hang, b"Sec-WebSocket-Protocol: mqtt"),
        FailureReason.PROTOCOL,
    ),
    "bytes that are no text": (upgraded(Peer.hang, b"Sec-WebSocket-Protocol: \xff\xfe"), FailureReason.PROTOCOL),
    "a good one": (upgraded(Peer.hang), None),
}


@pytest.mark.parametrize("how", UPGRADES)
async def test_what_is_an_upgrade(how: str) -> None:
    behave, expected = UPGRADES[how]
    with Misbehaving(behave) as server:
        assert reason(await probe(server.url.replace("http", "ws"))) is expected


@pytest.mark.parametrize(
    ("behaviour", "expected"),
    [
        ("never_answers", FailureReason.TIMEOUT),
        ("closes_at_once", FailureReason.RESET),
        ("closes_in_the_headers", FailureReason.RESET),
        ("drips_headers", FailureReason.TIMEOUT),
        ("endless_headers", FailureReason.TOO_LARGE),
        ("endless_header", FailureReason.TOO_LARGE),
        ("endless_interim", FailureReason.STATUS),
        ("endless_body", FailureReason.STATUS),
        ("compressed_bomb", FailureReason.STATUS),
        ("not_http", FailureReason.PROTOCOL),
    ],
)
async def test_servers_that_misbehave_before_the_upgrade(behaviour: str, expected: FailureReason) -> None:
    timeout = "400ms" if expected is FailureReason.TIMEOUT else "20s"
    with Misbehaving(BEHAVIOURS[behaviour]) as server:
        result = await probe(server.url.replace("http", "ws"), timeout=timeout, every="30s")
    assert reason(result) is expected, result.failure
