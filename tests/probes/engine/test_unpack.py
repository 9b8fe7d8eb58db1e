"""Compressed bodies: what they stand for, in bounded memory and time."""

from __future__ import annotations

import gzip
import time
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.engine.response import Answer
from probes.engine.unpack import MAX_MEMBERS, unpacked

LIMIT = 1000
TEXT = b"the text " * 20


def packed(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)


def bare(data: bytes) -> bytes:
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return deflater.compress(data) + deflater.flush()


def read(coding: bytes, body: bytes, *, cut: bool = False, limit: int = LIMIT) -> Answer:
    return unpacked(Answer(status_code=200, headers=[(b"Content-Encoding", coding)], body=body, cut=cut), limit)


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        (b"gzip", packed(TEXT)),
        (b"X-GZIP", packed(TEXT)),
        (b"gzip", packed(TEXT[:50]) + packed(TEXT[50:])),
        (b"gzip", packed(TEXT) + b"padding"),
        (b"deflate", zlib.compress(TEXT)),
        (b"deflate", bare(TEXT)),
        (b"deflate, gzip", packed(zlib.compress(TEXT))),
        (b"identity, gzip", packed(TEXT)),
        (b"identity", TEXT),
        (b" , ", TEXT),
    ],
)
def test_what_can_be_unpacked(coding: bytes, body: bytes) -> None:
    answer = read(coding, body)
    assert (answer.body, answer.cut, answer.packed) == (TEXT, False, "")


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        (b"br", b"\x8b\x00\x80a\x03"),
        (b"gzip, br", packed(TEXT)),
        (b"gzip", TEXT),
        (b"gzip", packed(TEXT)[:-9]),
        (b"gzip", packed(TEXT)[:-1] + b"\x01"),
        (b"gzip", packed(b"") * (MAX_MEMBERS + 1)),
        (b"gzip, gzip, gzip, gzip", packed(packed(packed(packed(TEXT))))),
    ],
)
def test_what_cannot_be_unpacked_is_left_and_named(coding: bytes, body: bytes) -> None:
    answer = read(coding, body)
    assert (answer.body, answer.packed) == (body, coding.decode())


def test_without_a_body_there_is_nothing_to_unpack() -> None:
    assert read(b"gzip", b"").packed == ""


@pytest.mark.parametrize(("size", "cut"), [(LIMIT, False), (LIMIT + 1, True)])
def test_the_limit_is_inclusive(size: int, cut: bool) -> None:
    answer = read(b"gzip", packed(b"x" * size))
    assert (len(answer.body), answer.cut) == (LIMIT, cut)


def test_of_a_body_that_was_cut_the_part_that_came_is_unpacked() -> None:
    whole = packed(bytes(range(256)) * 3)
    answer = read(b"gzip", whole[:200], cut=True)
    assert answer.cut
    assert 0 < len(answer.body) <= 768
    assert (bytes(range(256)) * 3).startswith(answer.body)


def test_a_bomb_stays_small() -> None:
    bomb = packed(packed(bytes(50_000_000)))
    tracemalloc.start()
    answer = read(b"gzip, gzip", bomb)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert answer.cut
    assert peak_bytes < 1_000_000


def test_thousands_of_empty_members_take_no_time() -> None:
    began = time.process_time()
    read(b"gzip", packed(b"") * 500_000)
    assert time.process_time() - began < 5


@given(
    st.sampled_from([b"gzip", b"deflate", b"gzip,deflate"]), st.binary(max_size=200), st.integers(0, 50), st.booleans()
)
def test_any_bytes_are_unpacked_or_left_within_the_limit(coding: bytes, body: bytes, limit: int, cut: bool) -> None:
    for data in (body, packed(body), bare(body), packed(body)[: len(body)]):
        answer = read(coding, data, cut=cut, limit=limit)
        assert answer.body == data if answer.packed else len(answer.body) <= max(limit, 0) or not data
