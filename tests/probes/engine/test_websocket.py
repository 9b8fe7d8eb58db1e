"""Messages of a WebSocket: as they come, in any pieces, from servers that misbehave; and any bytes at all."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto.events import Request
from wsproto.utilities import generate_accept_token

from probes.dialogue import Spoken
from probes.engine.exchange import Exchange
from probes.engine.failures import Unanswered
from probes.engine.incoming import TooMuch
from probes.engine.stream import Stream
from probes.engine.websocket import MAX_BARREN_FRAMES, WebSocket, open_websocket
from probes.result import FailureReason

LIMIT = 100
TEXT, BINARY, CLOSE, PING, PONG, FIN = 1, 2, 8, 9, 10, 0x80
UPGRADED = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %b\r\n\r\n"
)


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True) -> bytes:
    size = bytes([len(payload)]) if len(payload) < 126 else b"\x7e" + len(payload).to_bytes(2)
    return bytes([opcode | (FIN if fin else 0)]) + size + payload


class Wire:
    """In place of a Stream: gives what a server would send, made of the request that it got; then the end."""

    arrived = arrived_whole = 0.0

    def __init__(self, answer: Callable[[bytes], list[bytes]]) -> None:
        self._answer = answer
        self._pieces: list[bytes] = []
        self.sent: list[bytes] = []

    async def send(self, data: bytes) -> None:
        if not self.sent:
            self._pieces = [piece for piece in self._answer(data) if piece]
        self.sent.append(data)

    async def receive(self) -> bytes:
        return self._pieces.pop(0) if self._pieces else b""


def accepting(*pieces: bytes) -> Wire:
    def answer(request: bytes) -> list[bytes]:
        key = next(line for line in request.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key: "))
        return [UPGRADED % generate_accept_token(key.split(b": ")[1]), *pieces]

    return Wire(answer)


async def opened(wire: Wire, *, limit: int = LIMIT) -> WebSocket:
    exchange = Exchange(max_body_bytes=limit)
    return await open_websocket(cast(Stream, wire), Request(host="a", target="/"), exchange)


async def messages(wire: Wire, *, limit: int = LIMIT) -> list[bytes]:
    websocket, heard = await opened(wire, limit=limit), list[bytes]()
    while (message := await websocket.heard()) is not None:
        heard.append(message.encode("utf-8", "surrogateescape"))
        websocket.room = websocket.most_bytes
    return heard


def run(talk: Awaitable[list[bytes]]) -> list[bytes]:
    async def whole() -> list[bytes]:
        return await talk

    return asyncio.run(whole())


FRAMES = [
    frame(TEXT, b"hello"),
    frame(TEXT, b"hel", fin=False),
    frame(0, b"lo"),
    frame(0, b"lo", fin=False),
    frame(BINARY, b"\xff\xfe"),
    frame(TEXT, b"\xff\xfe"),
    frame(TEXT, b"x" * 200),
    frame(PING, b"are you there"),
    frame(PONG),
    frame(CLOSE),
    frame(CLOSE, b"\x03\xe8bye"),
    frame(CLOSE, b"\x03"),
    b"\x81\x7f\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\x81\x7f\0\0\0\x01\0\0\0\0",
    b"\xc1\x01x",
    b"\x81\x81abcdx",
]


@given(st.lists(st.one_of(st.binary(max_size=200), st.sampled_from(FRAMES)), max_size=30))
def test_any_bytes_after_the_upgrade_are_messages_or_a_failure(pieces: list[bytes]) -> None:
    try:
        heard = run(messages(accepting(*pieces)))
    except Unanswered:
        return
    assert all(len(message) <= LIMIT for message in heard)


HEADS = [
    b"HTTP/1.1 101 Switching Protocols\r\n",
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.1 103 Early Hints\r\n\r\n",
    b"HTTP/1.0 101 x\r\n",
    b"Upgrade: websocket\r\n",
    b"Connection: upgrade\r\n",
    b"Connection: \xff\r\n",
    b"Sec-WebSocket-Accept: x\r\n",
    b"Sec-WebSocket-Protocol: \xff\r\n",
    b"Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=\r\n",
    b"Content-Length: -1\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"\r\n",
]


@given(
    st.lists(st.one_of(st.binary(max_size=200), st.sampled_from(HEADS)), max_size=30), st.sampled_from([b"", HEADS[0]])
)
def test_any_bytes_in_place_of_the_upgrade_are_a_failure(pieces: list[bytes], begin: bytes) -> None:
    with pytest.raises(Unanswered):
        run(messages(Wire(lambda _: [begin, *pieces])))


@given(cuts=st.lists(st.integers(0, 60), max_size=8))
def test_how_messages_are_cut_into_pieces_does_not_matter(cuts: list[int]) -> None:
    wire = frame(TEXT, "h\u00e9llo".encode()) + frame(BINARY, b"\xff", fin=False) + frame(PING) + frame(0, b"\xfe")
    edges = [0, *sorted(min(cut, len(wire)) for cut in cuts), len(wire)]
    pieces = [wire[start:end] for start, end in pairwise(edges)]
    assert run(messages(accepting(*pieces))) == ["h\u00e9llo".encode(), b"\xff\xfe"]


async def test_messages_that_come_with_the_upgrade_are_heard_and_pings_answered() -> None:
    wire = Wire(lambda request: [b"".join(accepting(frame(PING, b"1") + frame(TEXT, b"hi"))._answer(request))])
    websocket = await opened(wire)
    assert await websocket.heard() == "hi"
    assert [data[:2] for data in wire.sent[1:]] == [bytes([PONG | FIN, 0x81])]
    await websocket.close()
    assert wire.sent[-1][0] == CLOSE | FIN


@pytest.mark.parametrize("closing", [b"", frame(CLOSE), frame(CLOSE, b"\x03\xe9"), frame(TEXT, b"half", fin=False)])
async def test_the_end_is_no_message(closing: bytes) -> None:
    websocket = await opened(accepting(frame(TEXT, b"hi") + closing))
    assert await websocket.heard() == "hi"
    assert await websocket.heard() is None
    await websocket.close()


@pytest.mark.parametrize(("size", "fits"), [(LIMIT, True), (LIMIT + 1, False)])
async def test_the_limit_of_a_message_is_inclusive(size: int, fits: bool) -> None:
    half = size // 2
    wire = accepting(frame(TEXT, b"x" * half, fin=False) + frame(0, b"x" * (size - half)))
    if fits:
        assert await messages(wire) == [b"x" * size]
    else:
        with pytest.raises(Unanswered) as raised:
            await messages(wire)
        assert raised.value.failure.reason is FailureReason.TOO_LARGE


@pytest.mark.parametrize(
    ("pieces", "reason", "said"),
    [
        ([frame(PING)] * (MAX_BARREN_FRAMES + 1), FailureReason.TOO_LARGE, "frames with nothing"),
        ([frame(PONG) * 2000], FailureReason.TOO_LARGE, "frames with nothing"),
        ([frame(TEXT, fin=False) + frame(0, fin=False) * 2000], FailureReason.TOO_LARGE, "frames with nothing"),
        ([frame(TEXT) * 2000], FailureReason.TOO_LARGE, "frames with nothing"),
        (
            [frame(TEXT, b"x", fin=False) + frame(0, b"x", fin=False) * 200],
            FailureReason.TOO_LARGE,
            "message of more",
        ),
        ([b"\x82\x7f\0\0\x10\0\0\0\0\0" + b"x" * 60000], FailureReason.TOO_LARGE, "message of more"),
        ([b"\x82\x7f\xff\0\0\0\0\0\0\0"], FailureReason.PROTOCOL, "MSB"),
        ([frame(0, b"x")], FailureReason.PROTOCOL, "unexpected CONTINUATION"),
        ([frame(TEXT, b"\xff")], FailureReason.PROTOCOL, "utf-8"),
        ([b"\x81\x81abcdx"], FailureReason.PROTOCOL, "masked"),
    ],
)
async def test_what_misbehaves_has_its_reason(pieces: list[bytes], reason: FailureReason, said: str) -> None:
    with pytest.raises(Unanswered) as raised:
        await messages(accepting(*pieces))
    assert raised.value.failure.reason is reason
    assert said in raised.value.failure.detail


async def test_messages_that_are_not_what_is_waited_for_use_up_the_room() -> None:
    websocket = await opened(accepting(frame(TEXT, b"x" * 60) * 2))
    assert await websocket.heard() == "x" * 60
    with pytest.raises(TooMuch):
        await websocket.heard()


async def test_text_is_said_as_text_and_bytes_as_bytes() -> None:
    wire = accepting()
    websocket = await opened(wire)
    for text, opcode in (("caf\u00e9", TEXT), ("\udcff", BINARY), ("", TEXT)):
        await websocket.say(Spoken((text,)), None)
        assert wire.sent[-1][0] == opcode | FIN


async def test_a_flood_of_small_messages_lets_others_run() -> None:
    heard, turns = asyncio.create_task(messages(accepting(frame(TEXT, b"x") * 20_000))), 0
    while not heard.done():
        await asyncio.sleep(0)
        turns += 1
    assert len(heard.result()) == 20_000
    assert turns > 100


async def test_a_huge_frame_is_not_kept() -> None:
    block = b"x" * 65536
    wire = accepting(b"\x82\x7f\0\0\0\x7f\xff\xff\xff\xff", *[block] * 1000)
    tracemalloc.start()
    with pytest.raises(Unanswered):
        await messages(wire, limit=1_000_000)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 4_000_000
