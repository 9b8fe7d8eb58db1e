"""The HTTP/2 reader: any bytes, frames of all sorts in any order, cut in any pieces; and what is sent of a request."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from itertools import pairwise

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RequestReceived, StreamEnded
from hypothesis import given
from hypothesis import strategies as st

from probes.engine.failures import Unanswered
from probes.engine.http2 import fields_of
from probes.engine.http2_reader import MAX_FRAME_BYTES, Http2Reader
from probes.engine.response import MAX_HEADER_BYTES
from probes.result import FailureReason
from tests.support import misbehaving_http2 as h2

LIMIT = 100
FIELDS = [(b":method", b"GET"), (b":scheme", b"https"), (b":authority", b"a"), (b":path", b"/")]
# Frames that mean something reach further than random bytes do.
FRAMES = [
    h2.frame(h2.SETTINGS),
    h2.frame(h2.SETTINGS, flags=1),
    h2.frame(h2.SETTINGS, b"\0\4\0\0\0\0"),
    h2.frame(h2.SETTINGS, b"\0\1\0\0\0\0\0\4\x7f\xff\xff\xff"),
    h2.headers((":status", "200")),
    h2.headers((":status", "200"), ("content-length", "5")),
    h2.headers((":status", "200"), end=True),
    h2.headers((":status", "103")),
    h2.headers((":status", "0")),
    h2.headers(("grpc-status", "0"), end=True),
    h2.headers((":status", "200"), stream=3),
    h2.frame(h2.HEADERS, b"\x88", stream=1),
    h2.frame(h2.HEADERS, b"\0\0\0\1\1\x88", flags=0x24, stream=1),
    h2.frame(h2.HEADERS, b"\0\0\0\0\1\x88", flags=0x24, stream=1),
    h2.frame(h2.HEADERS, b"\xff\x88", flags=0xC, stream=1),
    h2.frame(h2.CONTINUATION, b"\x88", flags=h2.END_HEADERS, stream=1),
    h2.frame(h2.PUSH_PROMISE, b"\0\0\0\2\x88", flags=h2.END_HEADERS, stream=1),
    h2.data(b"hello"),
    h2.data(b"hello", end=True),
    h2.data(b"x" * 300),
    h2.frame(h2.DATA, b"\x09hello", flags=h2.PADDED, stream=1),
    h2.frame(h2.DATA, b"hello", stream=0),
    h2.frame(h2.PING, b"12345678"),
    h2.frame(h2.PING, b"1"),
    h2.frame(h2.WINDOW_UPDATE, b"\x7f\xff\xff\xff"),
    h2.frame(h2.WINDOW_UPDATE, b"\0\0\0\0", stream=1),
    h2.frame(h2.RST_STREAM, b"\0\0\0\0", stream=1),
    h2.frame(h2.RST_STREAM, b"\0\0\0\0", stream=5),
    h2.frame(2, b"\0\0\0\1\1", stream=1),
    h2.frame(10, b"\0\1ab", stream=0),
    h2.frame(10, b"\0\0ab", stream=1),
    h2.goaway(1),
    h2.goaway(0),
]


def read(pieces: Sequence[bytes], *, body: bytes = b"", limit: int = LIMIT) -> Http2Reader:
    reader = Http2Reader(FIELDS, body, limit)
    for piece in pieces:
        more = reader.feed(piece)
        while more:
            more = reader.feed(b"")
        reader.to_send()
        if reader.complete:
            break
    reader.end()
    return reader


@given(st.lists(st.one_of(st.binary(max_size=200), st.sampled_from(FRAMES)), max_size=30), st.booleans(), st.booleans())
def test_any_bytes_give_an_answer_or_a_failure_within_the_bounds(pieces: list[bytes], begin: bool, body: bool) -> None:
    try:
        answer = read([h2.BEGIN, *pieces] if begin else pieces, body=b"x" * 100_000 if body else b"").answer
    except Unanswered:
        return
    assert 200 <= answer.status_code <= 999
    assert len(answer.body) <= LIMIT
    assert sum(len(name) + len(value) for name, value in answer.headers) <= MAX_HEADER_BYTES


any_frame = st.builds(
    h2.frame,
    st.integers(0, 12),
    st.binary(max_size=40),
    flags=st.integers(0, 255),
    stream=st.sampled_from([0, 1, 1, 2, 3]),
)


@given(st.lists(any_frame), st.sampled_from([h2.BEGIN, h2.OK]))
def test_frames_with_any_flags_and_content_do_no_more(frames: list[bytes], begin: bytes) -> None:
    with suppress(Unanswered):
        assert read([begin, *frames]).answer.status_code >= 200


@given(body=st.binary(max_size=80), cuts=st.lists(st.integers(0, 300), max_size=8))
def test_how_the_answer_is_cut_into_pieces_does_not_matter(body: bytes, cuts: list[int]) -> None:
    wire = h2.OK + h2.data(body) + h2.headers(("a", "b"), end=True)
    edges = [0, *sorted(min(cut, len(wire)) for cut in cuts), len(wire)]
    answer = read([wire[start:end] for start, end in pairwise(edges)]).answer
    assert (answer.status_code, answer.body, answer.cut, answer.trailers) == (200, body, False, [(b"a", b"b")])


@pytest.mark.parametrize(
    ("wire", "reason", "said"),
    [
        (b"", FailureReason.RESET, "without an answer"),
        (h2.BEGIN, FailureReason.RESET, "before the headers of the answer"),
        (h2.OK + h2.data(b"only this"), FailureReason.RESET, "after 9 bytes of body"),
        (h2.BEGIN + h2.headers((":status", "200"), ("content-length", "9")), FailureReason.RESET, "after 0 of 9 bytes"),
        (h2.BEGIN + h2.goaway(1, code=11), FailureReason.RESET, "GOAWAY, ENHANCE_YOUR_CALM"),
        (h2.OK + h2.frame(h2.RST_STREAM, b"\0\0\0\2", stream=1), FailureReason.RESET, "RST_STREAM, INTERNAL_ERROR"),
        (h2.OK + h2.frame(h2.RST_STREAM, b"\x09\0\0\0", stream=1), FailureReason.RESET, "RST_STREAM, code 150994944"),
        (b"HTTP/1.1 400 Bad Request\r\n", FailureReason.PROTOCOL, "does not speak HTTP/2 but HTTP/1"),
        (b"220 mail.example.com ESMTP\r\n", FailureReason.PROTOCOL, "but something else"),
        (h2.BEGIN + b"\1\0\0\0\0\0\0\0\1", FailureReason.PROTOCOL, "a frame of 65536 bytes"),
    ],
)
def test_no_answer(wire: bytes, reason: FailureReason, said: str) -> None:
    with pytest.raises(Unanswered) as raised:
        read([wire])
    assert raised.value.failure.reason is reason
    assert said in raised.value.failure.detail


@pytest.mark.parametrize(("size", "cut"), [(LIMIT, False), (LIMIT + 1, True)])
def test_the_limit_of_the_body_is_inclusive(size: int, cut: bool) -> None:
    answer = read([h2.OK + h2.data(b"x" * size) + h2.data(b"", end=True)]).answer
    assert (len(answer.body), answer.cut) == (LIMIT, cut)


def test_no_more_of_a_body_is_sent_than_the_server_s_windows_let() -> None:
    server = H2Connection(H2Configuration(client_side=False, header_encoding=None))
    server.initiate_connection()
    server.update_settings({4: 1000})
    body = bytes(range(256)) * 1000
    reader = Http2Reader(FIELDS, body, LIMIT)
    received, ended = bytearray(), False
    for _ in range(2000):
        for event in server.receive_data(reader.to_send()):  # raises when a window is overrun
            if isinstance(event, DataReceived):
                received += event.data
                for stream in (None, 1):
                    server.increment_flow_control_window(len(event.data), stream)
            ended = ended or isinstance(event, StreamEnded)
        if ended:
            break
        reader.feed(server.data_to_send())
    assert (bytes(received), ended) == (body, True)


def test_a_whole_answer_fits_the_windows_that_are_opened_at_first() -> None:
    server = H2Connection(H2Configuration(client_side=False, header_encoding=None))
    server.initiate_connection()
    reader = Http2Reader(FIELDS, b"", 1_000_000)
    server.receive_data(reader.to_send())
    server.send_headers(1, [(b":status", b"200")])
    assert server.local_flow_control_window(1) >= 1_000_000
    left = 1_000_000
    while left:  # nothing is heard from the client in between
        size = min(left, MAX_FRAME_BYTES)
        left -= size
        server.send_data(1, bytes(size), end_stream=not left)
    while reader.feed(server.data_to_send()):
        pass
    assert (len(reader.answer.body), reader.complete) == (1_000_000, True)


def test_a_request_of_http_1_1_is_the_same_in_http2() -> None:
    wire = (
        b"POST /a?b=c HTTP/1.1\r\nHost: example.com:8443\r\nConnection: close\r\nX-Key: a: b\r\nTE: gzip\r\n"
        b"Empty: \r\nContent-Length: 9\r\n\r\nbody\r\n\r\nx"
    )
    fields, body = fields_of(wire)
    assert body == b"body\r\n\r\nx"
    server = H2Connection(H2Configuration(client_side=False, header_encoding=None))
    server.initiate_connection()
    events = server.receive_data(Http2Reader(fields, body, LIMIT).to_send())
    assert [event.headers for event in events if isinstance(event, RequestReceived)] == [
        [
            (b":method", b"POST"),
            (b":scheme", b"https"),
            (b":authority", b"example.com:8443"),
            (b":path", b"/a?b=c"),
            (b"x-key", b"a: b"),
            (b"empty", b""),
            (b"content-length", b"9"),
        ]
    ]


def test_headers_that_cannot_be_sent_are_our_fault_and_not_shown() -> None:
    with pytest.raises(Unanswered) as raised:
        Http2Reader([*FIELDS, (b":more", b"secret")], b"", LIMIT)
    assert raised.value.failure.reason is FailureReason.INTERNAL
    assert "secret" not in raised.value.failure.detail
