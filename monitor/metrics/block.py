"""Up to a thousand targets of one kind that are counted in one tally: what is rendered at a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from monitor.live import silent_after_seconds
from monitor.metrics.series import TargetSeries
from monitor.metrics.settled import Settled, objectives
from probes.engine.tally import NOBODY
from probes.engine.tally_columns import INTERNAL, NEVER

TARGETS = 1024
SETTLED = 128  # what one grade, or one incident, has rendered again


class Block:
    """What stays as it is from one scrape to the next, until the settings change."""

    __slots__ = (
        "kind",
        "labels",
        "objectives",
        "owners",
        "probe_labels",
        "rows",
        "series",
        "settled",
        "silent_after_seconds",
        "tally",
        "timeout_seconds",
    )

    def __init__(self, series: Sequence[TargetSeries]) -> None:
        self.series = series
        self.tally, self.kind = series[0].tally, series[0].target.kind
        self.labels = [one.labels for one in series]
        self.probe_labels = [one.probe_labels for one in series]
        self.rows = [one.row for one in series]
        self.owners = [one.owner for one in series]
        self.silent_after_seconds = [silent_after_seconds(one.target) for one in series]
        self.timeout_seconds = [one.target.timeout.total_seconds() for one in series]
        self.objectives = _who_has_which(series)
        self.settled = [Settled(series[start : start + SETTLED]) for start in range(0, len(series), SETTLED)]


def blocks_of(everything: Iterable[TargetSeries]) -> tuple[Block, ...]:
    alike: defaultdict[tuple[int, str], list[TargetSeries]] = defaultdict(list)
    for series in everything:
        alike[id(series.tally), series.target.kind].append(series)
    blocks = []
    for some in alike.values():
        some.sort(key=lambda series: series.row)
        blocks += [Block(some[start : start + TARGETS]) for start in range(0, len(some), TARGETS)]
    return tuple(blocks)


def _who_has_which(series: Sequence[TargetSeries]) -> dict[str, list[bool]]:
    """By name of an objective that any of them has: whether each has it."""
    names = [{name for name, _, _ in objectives(one.target)} for one in series]
    return {name: [name in some for some in names] for name in sorted(set[str]().union(*names))}


class Moment:
    """A block while it is scraped: lists of values, in the order of the block's series."""

    __slots__ = ("_rows", "block", "outcomes", "seen")

    def __init__(self, block: Block, monotonic_seconds: float) -> None:
        self.block = block
        self._rows = _slice_of(block.rows)
        owners = self.column("owner")
        if owners != block.owners:  # not claimed yet by the worker that is to have it
            claimed = zip(block.rows, owners, block.owners, strict=True)
            self._rows = [row if found == owner else NOBODY for row, found, owner in claimed]
        heard = zip(self.column("outcome"), self.column("monotonic_seconds"), block.silent_after_seconds, strict=True)
        self.outcomes = [  # of the newest result while it is fresh; our own fault says nothing of the service
            outcome if outcome < INTERNAL and monotonic_seconds - at <= silent_after else NEVER
            for outcome, at, silent_after in heard
        ]
        self.seen = None if all(self.outcomes) else self.outcomes

    def column(self, name: str) -> list[Any]:
        column = self.block.tally[name]
        if isinstance(self._rows, slice):
            values: list[Any] = column[self._rows].tolist()
            return values
        return [column[row] for row in self._rows]


def _slice_of(rows: list[int]) -> slice | list[int]:
    first = rows[0]
    return slice(first, first + len(rows)) if rows == list(range(first, first + len(rows))) else rows
