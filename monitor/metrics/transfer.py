"""The pieces of a scrape as they go over the network."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from typing import Any

# Handed to the server at a time: each costs a change of threads.
AT_ONCE_BYTES = 256 * 1024
_LEVEL = 1
_GZIP = 16 + zlib.MAX_WBITS


def compressor() -> Any:
    """ISA-L's, which takes a quarter of the time; zlib's where it is not to be had."""
    try:
        from isal import isal_zlib
    except ImportError:  # not made for every platform
        return zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
    return isal_zlib.compressobj(_LEVEL, isal_zlib.DEFLATED, _GZIP)


def gzipped(pieces: Iterable[bytes]) -> Iterator[bytes]:
    stream = compressor()
    for piece in pieces:
        yield stream.compress(piece)
    yield stream.flush()


def gathered(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Many small pieces as few of some size."""
    held: list[bytes] = []
    size_bytes = 0
    for piece in pieces:
        held.append(piece)
        size_bytes += len(piece)
        if size_bytes >= AT_ONCE_BYTES:
            yield b"".join(held)
            held, size_bytes = [], 0
    yield b"".join(held)


def takes_gzip(accept_encoding: str) -> bool:
    """Whether the header names gzip (RFC 9110, section 12.5.3); `*` is not taken at its word."""
    for offer in accept_encoding.lower().split(","):
        name, *parameters = (part.strip() for part in offer.split(";"))
        if name == "gzip":
            return not any(_is_zero(parameter) for parameter in parameters)
    return False


def _is_zero(parameter: str) -> bool:
    name, _, weight = parameter.partition("=")
    return name.strip() == "q" and weight.strip().rstrip("0") in {"", "0.", "."}
