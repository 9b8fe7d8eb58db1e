"""A compressed body to what it stands for, in bounded memory. No I/O."""

from __future__ import annotations

import zlib
from dataclasses import replace

from probes.engine.response import Answer

MAX_CODINGS = 3
MAX_MEMBERS = 100  # of gzip: thousands of empty ones would take time out of proportion to their bytes
MAX_SHOWN_CHARACTERS = 40
_GZIP_OR_ZLIB, _RAW = 32 + zlib.MAX_WBITS, -zlib.MAX_WBITS
_KNOWN = {"gzip", "x-gzip", "deflate"}


def unpacked(answer: Answer, max_bytes: int) -> Answer:
    """The answer with its body unpacked, cut at `max_bytes`, or with `packed` set when that cannot be done. What was
    not compressed is given back as it is.

    That a compressed answer was not asked for does not matter: some servers send nothing else.
    """
    named = b",".join(answer.values(b"content-encoding"))
    if not named or not answer.body:
        return answer
    codings = [coding for part in named.decode("latin-1").split(",") if (coding := part.strip().lower())]
    codings = [coding for coding in codings if coding != "identity"]
    if not codings:
        return answer
    body, cut = answer.body, answer.cut
    if len(codings) > MAX_CODINGS or not _KNOWN.issuperset(codings):
        return replace(answer, packed=_shown(codings))
    try:
        for _ in codings:  # each says itself which it is
            body, cut = _inflated(body, cut, max_bytes)
    except zlib.error:
        return replace(answer, packed=_shown(codings))
    return replace(answer, body=body, cut=cut)


def _shown(codings: list[str]) -> str:
    return ", ".join(codings)[:MAX_SHOWN_CHARACTERS]


def _inflated(data: bytes, cut: bool, max_bytes: int) -> tuple[bytes, bool]:
    """(at most `max_bytes`, whether there is more). Raises zlib.error for what is broken, or ends before its end
    without having been cut."""
    whole = bytearray()
    for _ in range(MAX_MEMBERS):
        inflater, piece = _begun(data, max_bytes - len(whole) + 1)
        whole += piece
        if len(whole) > max_bytes:
            return bytes(whole[:max_bytes]), True
        if not inflater.eof:
            if not cut:
                raise zlib.error("it ends too early")
            return bytes(whole), True
        data = inflater.unused_data
        if data[:2] != b"\x1f\x8b":
            return bytes(whole), cut
    raise zlib.error("it has too many members")


def _begun(data: bytes, max_bytes: int) -> tuple[zlib._Decompress, bytes]:
    """`deflate` should be zlib's form, but some servers send the bare one."""
    try:
        inflater = zlib.decompressobj(_GZIP_OR_ZLIB)
        return inflater, inflater.decompress(data, max_bytes)
    except zlib.error:
        if data[:2] == b"\x1f\x8b":
            raise
        inflater = zlib.decompressobj(_RAW)
        return inflater, inflater.decompress(data, max_bytes)
