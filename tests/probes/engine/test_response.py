"""The response reader: HTTP as it comes, in any pieces, and bytes that are no HTTP at all."""

from __future__ import annotations

import tracemalloc
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.engine.failures import Unanswered
from probes.engine.response import MAX_HEADER_BYTES, ResponseReader
from probes.result import FailureReason

LIMIT = 100
HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
# Pieces of real answers in any order reach further into the parser than random bytes do.
FRAGMENTS = [
    HEAD,
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n",
    b"HTTP/1.0 204 No Content\r\n\r\n",
    b"Content-Length: 5\r\n",
    b"Content-Length: 99999999999999999999999\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Connection: close\r\n",
    b"\r\n",
    b"5\r\nhello\r\n",
    b"0\r\n\r\n",
    b"ffffffffffffffff\r\n",
    b"x" * 300,
]


def read(pieces: Sequence[bytes], *, method: str = "GET", limit: int = LIMIT) -> ResponseReader:
    reader = ResponseReader(method, limit)
    for piece in pieces:
        if reader.complete:
            break
        reader.feed(piece)
    reader.end()
    return reader


def outcome(pieces: Sequence[bytes], method: str = "GET") -> tuple[object, ...]:
    """All that can be told of how it ends; the failure's sentence may say where it was broken off."""
    try:
        answer = read(pieces, method=method).answer
    except Unanswered as unanswered:
        return (unanswered.failure.reason,)
    assert 100 <= answer.status_code <= 999
    assert len(answer.body) <= LIMIT
    assert sum(len(name) + len(value) for name, value in answer.headers) <= MAX_HEADER_BYTES
    return (answer.status_code, answer.version, answer.headers, answer.body, answer.cut, answer.content_length)


def cut(wire: bytes, cuts: Sequence[int]) -> list[bytes]:
    edges = [0, *sorted(min(each, len(wire)) for each in cuts), len(wire)]
    return [wire[start:end] for start, end in pairwise(edges) if end > start]


GOOD = [
    HEAD + b"Content-Length: 5\r\nContent-Type: text/plain\r\n\r\nhello",
    CHUNKED + b"5\r\nhello\r\n3;ext=1\r\nabc\r\n0\r\nTrailer: x\r\n\r\n",
    b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n" + HEAD + b"Content-Length: 2\r\n\r\nok",
    b"HTTP/1.0 404 Not Found\r\nServer: a\r\n\r\nuntil the end",
    b"HTTP/1.1 301 Moved\r\nLocation: /b\r\nContent-Length: 0\r\nSet-Cookie: a=b\r\n\r\n",
    HEAD + b"Content-Length: 300\r\n\r\n" + b"x" * 300,
]


@st.composite
def nearly_good(draw: st.DrawFn) -> bytes:
    """A good answer with a few bytes changed, taken out, put in or said twice."""
    wire = bytearray(draw(st.sampled_from(GOOD)))
    for _ in range(draw(st.integers(0, 6))):
        start = draw(st.integers(0, len(wire)))
        end = min(len(wire), start + draw(st.integers(0, 8)))
        what = draw(st.one_of(st.binary(max_size=4), st.sampled_from(FRAGMENTS), st.just(bytes(wire[start:end] * 2))))
        wire[start:end] = what
    return bytes(wire)


BYTES = st.one_of(
    nearly_good(),
    st.lists(st.one_of(st.binary(max_size=200), st.sampled_from(FRAGMENTS)), max_size=30).map(b"".join),
)
CUTS = st.one_of(st.lists(st.integers(0, 600), max_size=12), st.just(range(2000)))


@settings(max_examples=500)
@given(BYTES, CUTS, st.sampled_from(["GET", "HEAD"]))
def test_any_bytes_in_any_pieces_end_in_the_same_way_within_the_bounds(
    wire: bytes, cuts: Sequence[int], method: str
) -> None:
    assert outcome(cut(wire, cuts), method) == outcome([wire], method)


@given(body=st.binary(max_size=80), cuts=st.lists(st.integers(0, 200), max_size=8), chunked=st.booleans())
def test_how_the_answer_is_cut_into_pieces_does_not_matter(body: bytes, cuts: list[int], chunked: bool) -> None:
    if chunked and body:
        wire = CHUNKED + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    else:
        wire = HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body
    answer = read(cut(wire, cuts)).answer
    assert (answer.status_code, answer.body, answer.cut) == (200, body, False)


@pytest.mark.parametrize(
    ("wire", "status", "body"),
    [
        (HEAD + b"\r\nuntil the end", 200, b"until the end"),
        (b"HTTP/1.0 200 OK\r\n\r\nold", 200, b"old"),
        (b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n" + HEAD + b"Content-Length: 2\r\n\r\nok", 200, b"ok"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
        (HEAD.replace(b"\r\n", b"\n") + b"A: b\n\nbare line feeds", 200, b"bare line feeds"),
        (HEAD + b"Content-Length: 2\r\nConnection: close\r\n\r\nok and more", 200, b"ok"),
        (CHUNKED + b"2;ext=1\r\nok\r\n0\r\nTrailer: x\r\n\r\n", 200, b"ok"),
        (HEAD + b"Content-Length: 2\r\n\r\nokHTTP/1.1 500 Oh\r\nContent-Length: 3\r\n\r\nbad", 200, b"ok"),
        (b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n\x00", 101, b""),
    ],
)
def test_answers_of_all_sorts(wire: bytes, status: int, body: bytes) -> None:
    for pieces in ([wire], [wire[i : i + 1] for i in range(len(wire))]):
        answer = read(pieces).answer
        assert (answer.status_code, answer.body) == (status, body)


def test_head_has_a_length_but_no_body() -> None:
    answer = read([HEAD + b"Content-Length: 5000\r\n\r\n"], method="HEAD").answer
    assert (answer.content_length, answer.body, answer.cut) == (5000, b"", False)


@pytest.mark.parametrize(("size", "more"), [(LIMIT, False), (LIMIT + 1, True)])
def test_the_limit_of_the_body_is_inclusive(size: int, more: bool) -> None:
    answer = read([HEAD + b"Content-Length: %d\r\n\r\n" % size + b"x" * size]).answer
    assert (len(answer.body), answer.cut) == (LIMIT, more)


def test_an_interim_answer_s_headers_are_not_the_answer_s() -> None:
    interim = b"HTTP/1.1 100 Continue\r\nContent-Length: 0\r\nA: b\r\n\r\n"
    answer = read([interim + HEAD + b"C: d\r\n\r\nbody"]).answer
    assert answer.headers == [(b"C", b"d")]
    assert answer.body == b"body"


@pytest.mark.parametrize(
    ("wire", "reason"),
    [
        (b"", FailureReason.RESET),
        (HEAD, FailureReason.RESET),
        (HEAD + b"Content-Length: 5\r\n\r\nabc", FailureReason.RESET),
        (CHUNKED + b"5\r\nabc", FailureReason.RESET),
        (CHUNKED + b"zz\r\n", FailureReason.PROTOCOL),
        (b"220 mail.example.com ESMTP\r\n", FailureReason.PROTOCOL),
        (HEAD + b"Content-Length: -1\r\n\r\n", FailureReason.PROTOCOL),
        (HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", FailureReason.PROTOCOL),
        (HEAD + b"A: " + b"x" * MAX_HEADER_BYTES + b"\r\n\r\n", FailureReason.TOO_LARGE),
        (HEAD + b"A: b\r\n" * MAX_HEADER_BYTES, FailureReason.TOO_LARGE),
        (CHUNKED + b"1;" + b"x" * MAX_HEADER_BYTES * 2, FailureReason.TOO_LARGE),
    ],
)
def test_no_answer(wire: bytes, reason: FailureReason) -> None:
    with pytest.raises(Unanswered) as raised:
        read([wire[start : start + MAX_HEADER_BYTES] for start in range(0, len(wire), MAX_HEADER_BYTES)])
    assert raised.value.failure.reason is reason


@settings(max_examples=20)
@given(
    st.sampled_from([HEAD, CHUNKED, CHUNKED + b"1;", CHUNKED + b"0\r\n", HEAD + b"A: ", b""]),
    st.binary(min_size=1, max_size=9),
)
def test_memory_is_bounded_however_much_comes(start: bytes, again: bytes) -> None:
    reader = ResponseReader("GET", LIMIT)
    block = again * (4096 // len(again))
    tracemalloc.start()
    try:
        reader.feed(start)
        for _ in range(1000):
            if reader.complete:
                break
            reader.feed(block)
    except Unanswered:
        pass
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 8 * MAX_HEADER_BYTES
