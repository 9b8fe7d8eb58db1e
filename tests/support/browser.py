"""Debian's chromium without a window: what a person would see of a page."""

from __future__ import annotations

import struct
import subprocess
import zlib
from collections import Counter
from pathlib import Path

from tests.support.process import program

_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
    "--no-first-run",
    "--hide-scrollbars",
)


def screenshot(url: str, png: Path, *, width: int = 1200, height: int = 900, dark: bool = False) -> None:
    """The page as it stands in a window of that size."""
    flags = [f"--screenshot={png}", f"--window-size={width},{height}"]
    if dark:
        flags.append("--blink-settings=preferredColorScheme=0")
    _chromium(url, png.parent / f"{png.stem}-profile", *flags)


def colours(png: Path) -> Counter[tuple[int, int, int]]:
    """How many pixels of each colour: for 8-bit RGB without interlacing, as chromium writes it."""
    content = png.read_bytes()
    chunks, at = b"", 8
    while at < len(content):
        size, kind = struct.unpack_from(">I4s", content, at)
        if kind == b"IHDR":
            width, height, depth, colour_type, _, _, interlaced = struct.unpack_from(">IIBBBBB", content, at + 8)
            assert (depth, colour_type, interlaced) == (8, 2, 0)
        elif kind == b"IDAT":
            chunks += content[at + 8 : at + 8 + size]
        at += size + 12
    raw, step = zlib.decompress(chunks), 3 * width
    counts: Counter[tuple[int, int, int]] = Counter()
    above = bytearray(step)
    for y in range(height):
        start = y * (step + 1)
        above = _unfiltered(raw[start], bytearray(raw[start + 1 : start + 1 + step]), above)
        counts.update(zip(above[0::3], above[1::3], above[2::3], strict=True))
    return counts


def _unfiltered(filter_type: int, line: bytearray, above: bytearray) -> bytearray:
    """One row of pixels, with PNG's filter undone (RFC 2083, section 6)."""
    for i in range(len(line)):
        left = line[i - 3] if i >= 3 else 0
        corner = above[i - 3] if i >= 3 else 0
        line[i] = (
            line[i] + (0, left, above[i], (left + above[i]) // 2, _paeth(left, above[i], corner))[filter_type]
        ) & 255
    return line


def _paeth(left: int, up: int, corner: int) -> int:
    guess = left + up - corner
    return min((left, up, corner), key=lambda near: abs(guess - near))


def _chromium(url: str, profile: Path, *flags: str) -> None:
    argv = [program("chromium"), *_FLAGS, f"--user-data-dir={profile}", *flags, url]
    finished = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert finished.returncode == 0, finished.stderr
