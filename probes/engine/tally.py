"""What is counted of targets while they are probed, in memory that another process reads when it is scraped.

The worker writes, the parent reads, nobody waits: counters only grow, and a histogram's count is the sum of its
buckets, so that what is read while it is written agrees with itself. The parent makes the memory and keeps it when the
worker dies, so that the next one counts on:

    tally, rows = Tally.make(bounds, shared=True), Rows()      # the parent, once for each worker
    spawn.Process(target=main, args=(tally, ...))              # it can be pickled into a process that is spawned
    assigned = rows.assign(target.name for target in targets)  # at each reload; goes to the worker with its jobs
    tally.claim(row, target)                                   # the worker, for each target, before it is probed
    tally.record(row, result)                                  # the worker, for each result of a target that it has

A row says whose it is since it was claimed (`owner`): the parent takes a row that is still another's for an empty one.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any

from probes.engine.columns import Columns
from probes.engine.schedule import Job, late_after_seconds
from probes.engine.tally_columns import (
    COUNTED,
    FACTS,
    FACTS_OF,
    FAILURE,
    INTERNAL,
    LATENCY_OBJECTIVES,
    NEVER,
    NEWEST,
    REASON_NUMBERS,
    SUCCESS,
    columns_of,
    mark_of,
)
from probes.result import FailureReason, Phase, ProbeResult
from probes.target import Target

CAPACITY = 131_072
NOBODY = 0
"""A row that is no target's and stays 0."""


class Rows:
    """Which row is whose: a target keeps its own while it is there, one that is free is given out again."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._rows: dict[str, int] = {}

    def assign(self, target_names: Iterable[str]) -> Mapping[str, int]:
        """The row of each of them; the others' are free. Raises ValueError when there are too many."""
        names = list(target_names)
        kept = {name: self._rows[name] for name in names if name in self._rows}
        taken = set(kept.values())
        free = (row for row in range(NOBODY + 1, self._capacity) if row not in taken)
        try:
            self._rows = {name: kept[name] if name in kept else next(free) for name in names}
        except StopIteration:
            raise ValueError(f"{len(names)} targets are too many for one worker's {self._capacity} rows") from None
        return dict(self._rows)


class Tally:
    """How a result is counted in the columns. `bounds` are the histogram's, in seconds, ascending.

    What a result took whose prober was held up (`suspect`) is no latency of the service: it counts in its outcome only.
    """

    def __init__(self, bounds: Sequence[float], columns: Columns) -> None:
        self.bounds = tuple(bounds)
        self._columns = columns
        self._objectives: dict[int, tuple[tuple[str, float], ...]] = {}
        self._late_after_seconds: dict[int, float] = {}
        self._take_views()

    @classmethod
    def make(cls, bounds: Sequence[float], capacity: int = CAPACITY, *, shared: bool = False) -> Tally:
        """An empty one; `shared` can be given to a process that is spawned."""
        return cls(bounds, Columns(columns_of(bounds), capacity, shared=shared))

    def __reduce__(self) -> tuple[Any, ...]:
        return Tally, (self.bounds, self._columns)

    def _take_views(self) -> None:
        """What is written for each result is at hand: a look-up would cost as much as the write."""
        of = self._columns
        self._newest = [of[name] for name in NEWEST]
        self._outcomes = {number: of[name] for number, name in COUNTED.items()}
        self._failed = {reason: of[f"failed_{reason}"] for reason in FailureReason}
        self._suspect, self._late, self._not_after = of["suspect"], of["late"], of["not_after"]
        self._buckets = [of[f"bucket_{number}"] for number in range(len(self.bounds) + 1)]
        self._sum, self._sums = of["sum_seconds"], {phase: of[f"sum_{phase}"] for phase in Phase}
        self._verdicts = {name: (of[f"bad_{name}"], of[f"good_{name}"]) for name in LATENCY_OBJECTIVES}
        self._phases = [(phase, of[f"last_{phase}"]) for phase in Phase]
        self._facts: dict[str, list[tuple[memoryview[Any], Callable[[Any], Any], float]]] = {}
        for fact in FACTS:
            write = (of[fact.column], fact.read or attrgetter(fact.name), fact.without)
            self._facts.setdefault(fact.kind, []).append(write)

    def __getitem__(self, column: str) -> memoryview[Any]:
        return self._columns[column]

    @property
    def columns(self) -> Iterable[str]:
        """Their names."""
        return self._columns.codes.keys()

    @property
    def capacity(self) -> int:
        return self._columns.capacity

    def enlarge(self, capacity: int) -> None:
        """More rows; not of one that is shared."""
        self._columns.enlarge(capacity)
        self._take_views()

    def claim(self, row: int, target: Target) -> None:
        """From now on the row is this target's: what was counted of it stays, what was of another is cleared.

        When it is probed at another address than before, what was seen last is no longer of it.
        """
        if row == NOBODY:
            raise ValueError(f"row {NOBODY} is nobody's")
        owner, address = mark_of(target.name), mark_of(target.url)
        if self["owner"][row] != owner:
            self.clear(row)
        if self["address"][row] != address:
            self["outcome"][row], self["address"][row] = NEVER, address
            self["started_at"][row] = self["not_after"][row] = 0.0
        self["owner"][row] = owner
        latency = () if target.slo is None else target.slo.latency.objectives()
        self._objectives[row] = tuple((name, threshold_seconds) for name, _, threshold_seconds in latency)
        self._late_after_seconds[row] = late_after_seconds(Job(target.kind, target, target.every.total_seconds()))

    def clear(self, row: int) -> None:
        """Nobody's, and empty."""
        for name in self.columns:
            self[name][row] = 0

    def record(self, row: int, result: ProbeResult) -> None:
        """Take one result of the target that has claimed the row. A re-probe is seen but not counted: in rates it would
        weigh failing times more than good ones. A TLS grade has nothing that is counted."""
        if result.kind == "tls_grade":
            return
        if not result.reprobe:
            self._count(row, result)
        self._show(row, result)

    def _count(self, row: int, result: ProbeResult) -> None:
        failure = result.failure
        if failure is None:
            outcome = SUCCESS
            if not result.suspect:
                self._measure(row, result)
        else:
            outcome = INTERNAL if failure.reason is FailureReason.INTERNAL else FAILURE
            self._failed[failure.reason][row] += 1
        self._outcomes[outcome][row] += 1
        if result.suspect:
            self._suspect[row] += 1
        if result.late_seconds > self._late_after_seconds[row]:
            self._late[row] += 1

    def _measure(self, row: int, result: ProbeResult) -> None:
        seconds = result.duration_seconds
        self._buckets[bisect_left(self.bounds, seconds)][row] += 1
        self._sum[row] += seconds
        for phase, phase_seconds in result.phases:
            self._sums[phase][row] += phase_seconds
        for name, threshold_seconds in self._objectives[row]:
            self._verdicts[name][seconds <= threshold_seconds][row] += 1

    def _show(self, row: int, result: ProbeResult) -> None:
        address, tls, kind = result.address, result.tls, result.kind
        facts = getattr(result, FACTS_OF.get(kind, kind), None)
        reason = None if result.failure is None else result.failure.reason
        newest = (
            SUCCESS if reason is None else INTERNAL if reason is FailureReason.INTERNAL else FAILURE,
            0 if reason is None else REASON_NUMBERS[reason],
            result.started_at.timestamp(),
            result.monotonic_seconds,
            result.duration_seconds,
            0 if address is None else 6 if ":" in address else 4,
            facts is not None,
            tls is not None,
        )
        for column, value in zip(self._newest, newest, strict=True):
            column[row] = value
        seconds = dict(result.phases)
        for phase, column in self._phases:
            column[row] = seconds.get(phase, 0.0)
        for column, read, without in self._facts.get(kind, ()):
            try:
                column[row] = without if facts is None else read(facts)
            except (ValueError, OverflowError):  # a server may claim a length that fits in no 8 bytes
                column[row] = without
        if tls is not None:
            self._not_after[row] = tls.not_after.timestamp() or -1.0  # 0 means that none was seen
