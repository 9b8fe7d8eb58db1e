"""Some hundred lines of a scrape in one format operation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Any

from monitor.metrics.block import Moment
from probes.engine.tally_columns import FAILURE, NEVER, SUCCESS

Values = Callable[[Moment], Sequence[Any]]
"""One value for each target of the block."""

Render = Callable[[Moment], Iterable[bytes]]
"""The lines of a block, in pieces."""

# How a value is written. What Python writes of a float by itself takes three times as long.
COUNT = "%d"
SECONDS = "%.9g"  # of one probe, to the nanosecond
SUM = "%.9f"  # of many: it must not lose the little that each adds
TIMESTAMP = "%.3f"

# Lines at a time. Beyond some 128 KB the memory for them would be had from the system anew each time.
LINES = 1024


@dataclass(frozen=True, slots=True)
class Line:
    """One series a target: what stands behind the metric's name, with a place for labels and one for the value."""

    rest: bytes
    values: Values

    def of(self, name: str) -> tuple[bytes, Values]:
        return name.encode() + self.rest, self.values


def line(values: str | Values, form: str = COUNT, **labels: str) -> Line:
    """`values` may be the column in which they are."""
    more = "".join(f',{label}="{value}"' for label, value in labels.items())
    return Line(f"{{%b{more}}} {form}\n".encode(), column(values) if isinstance(values, str) else values)


def column(name: str) -> Values:
    return lambda moment: moment.column(name)


def is_now(outcome: int) -> Values:
    """1 where the newest probe, while it is fresh, ended so."""
    shown = [int(one == outcome) for one in (NEVER, SUCCESS, FAILURE)]
    return lambda moment: [shown[one] for one in moment.outcomes]


def join(
    labels: Sequence[bytes], parts: Sequence[tuple[bytes, Sequence[Any]]], where: Sequence[Any] | None = None
) -> Iterator[bytes]:
    """The lines of all targets, or of those whose place in `where` is not 0; a target's own stay together.

    One format operation for some hundred lines at a time: that is what makes a scrape cheap.
    """
    if where is not None:
        labels = list(compress(labels, where))
        parts = [(text, list(compress(values, where))) for text, values in parts]
    texts, step = b"".join(text for text, _ in parts), max(1, LINES // len(parts))
    for start in range(0, len(labels), step):
        some = labels[start : start + step]
        arguments: list[Any] = [None] * (2 * len(parts) * len(some))
        for number, (_, values) in enumerate(parts):
            arguments[2 * number :: 2 * len(parts)] = some
            arguments[2 * number + 1 :: 2 * len(parts)] = values[start : start + step]
        yield texts * len(some) % tuple(arguments)
