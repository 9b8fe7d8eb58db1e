"""Numbers as blocks: a waterfall's bars, and a sparkline."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

_LEFT = " ▏▎▍▌▋▊▉█"  # filled from the left, by eighths
_HEIGHTS = "▁▂▃▄▅▆▇█"
_PLAIN_HEIGHTS = "_.-=+*#@"
FAILED = "×"
_PLAIN_FAILED = "x"


def bar(spans: Sequence[tuple[float, float]], whole: float, width: int, *, plain: bool) -> str:
    """`width` cells for the time from 0 to `whole`, filled where a span is. Each can be seen, however short it is."""
    cells = [" "] * width
    for begin, end in spans:
        first = min(begin / whole if whole else 0.0, 1.0) * width
        last = min(end / whole if whole else 0.0, 1.0) * width
        first = min(first, width - 1 / 8)
        last = max(last, first + 1 / 8)
        for cell in range(int(first), min(int(last) + 1, width)):
            block = _block(max(first - cell, 0.0), min(last - cell, 1.0))
            if block != " ":
                cells[cell] = "#" if plain else block
    return "".join(cells).rstrip()


def _block(begin: float, end: float) -> str:
    """One cell that is filled from `begin` to `end`, of 0 to 1. Blocks begin at the left, but for two of them."""
    if begin < 1 / 16:
        return _LEFT[round(end * 8)]
    if end > 15 / 16:
        return "█" if begin < 1 / 4 else "▐" if begin < 3 / 4 else "▕"
    return "▏" if end - begin < 1 / 4 and begin < 1 / 2 else "▕" if end - begin < 1 / 4 else "▐"


def sparkline(values: Sequence[float | None], width: int, *, plain: bool) -> str:
    """The worst of each stretch of time, from the least to the greatest of all; None is a failure, and the worst."""
    heights = _PLAIN_HEIGHTS if plain else _HEIGHTS
    columns = [_worst(stretch) for stretch in _stretches(values, width)]
    good = [value for value in columns if value is not None]
    least, most = min(good, default=0.0), max(good, default=0.0)
    scale = (len(heights) - 1) / (most - least) if most > least else 0.0
    failed = _PLAIN_FAILED if plain else FAILED
    return "".join(failed if value is None else heights[round((value - least) * scale)] for value in columns)


def _stretches(values: Sequence[float | None], width: int) -> list[Sequence[float | None]]:
    count = min(width, len(values))
    edges = [index * len(values) // count for index in range(count + 1)] if count else [0]
    return [values[begin:end] for begin, end in pairwise(edges)]


def _worst(values: Sequence[float | None]) -> float | None:
    good = [value for value in values if value is not None]
    return max(good) if len(good) == len(values) else None
