from __future__ import annotations

import gzip
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.metrics.transfer import AT_ONCE_BYTES, compressor, gathered, gzipped, takes_gzip

PIECES = [b"probe_success 1\n" * 1000, b"", b"a", b"x" * AT_ONCE_BYTES]


@pytest.mark.parametrize("library", ["isal", "zlib"])
def test_any_library_gives_one_gzip_stream(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if library == "zlib":
        monkeypatch.setitem(sys.modules, "isal", None)
    assert library in type(compressor()).__module__
    assert gzip.decompress(b"".join(gzipped(PIECES))) == b"".join(PIECES)


@given(st.lists(st.binary(max_size=9).map(lambda part: part * 9999)))
def test_pieces_are_gathered_whole_and_in_order(pieces: list[bytes]) -> None:
    found = list(gathered(pieces))
    assert b"".join(found) == b"".join(pieces)
    assert all(len(one) >= AT_ONCE_BYTES for one in found[:-1])


@pytest.mark.parametrize(
    ("header", "taken"),
    [
        ("gzip", True),
        ("deflate, GZIP;q=0.001", True),
        ("gzip;level=9", True),
        ("", False),
        ("*", False),
        ("identity", False),
        ("gzip;q=0", False),
        ("gzip; q=0.000, br", False),
        ("x-gzip", False),
        (";,;=", False),
    ],
)
def test_gzip_is_for_who_names_it(header: str, taken: bool) -> None:
    assert takes_gzip(header) is taken
