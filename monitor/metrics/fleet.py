"""Every target in every region it is probed from, and which tally counts it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from alerts.incident import Incident
from dashboards.catalogue import LATENCY_BUCKETS_SECONDS
from monitor.metrics.block import Block, blocks_of
from monitor.metrics.labels import printable
from monitor.metrics.series import TargetSeries
from probes.engine.tally import NOBODY, Tally
from probes.result import ProbeResult
from probes.target import Target

FIRST_ROWS = 1024

Key = tuple[str, str]
"""Target and region."""


class Fleet:
    """`region` is that of this daemon: its targets have series from the start, others from their first result on."""

    def __init__(self, region: str) -> None:
        self._region = printable(region)
        self._targets: dict[str, Target] = {}
        self._series: dict[Key, TargetSeries] = {}
        self._open: dict[Key, Incident] = {}
        self._own = Tally.make(LATENCY_BUCKETS_SECONDS, FIRST_ROWS)
        self._free: list[int] = list(range(FIRST_ROWS - 1, NOBODY, -1))
        self._change = 0
        self._blocks: tuple[int, tuple[Block, ...]] = (-1, ())

    def replace(self, targets: Iterable[Target]) -> None:
        """The targets after a reload: those that stay keep their counters, the others' series vanish."""
        self._targets = {target.name: target for target in targets}
        kept = {}
        for key, series in self._series.items():
            target = self._targets.get(key[0])
            if target is None:
                self._leave(series)
                continue
            series.retarget(target)
            if series.tally is self._own and series.row != NOBODY:
                self._own.claim(series.row, target)
            kept[key] = series
        for name, target in self._targets.items():
            key = (name, self._region)
            if key not in kept:
                kept[key] = TargetSeries(target, self._region, self._own)
        self._series = kept
        self._change += 1

    def attach(self, tallies: Iterable[tuple[Tally, Mapping[str, int]]]) -> None:
        """Every tally that this region's workers count in now, with the rows of its targets."""
        attached = {name: (tally, row) for tally, rows in tallies for name, row in rows.items()}
        for (name, region), series in self._series.items():
            if region != self._region:
                continue
            tally, row = attached.get(name, (self._own, NOBODY))
            if tally is not self._own:
                self._leave(series)
                series.tally, series.row = tally, row
            elif series.tally is not self._own:
                series.tally, series.row = self._own, NOBODY
        self._change += 1

    def _leave(self, series: TargetSeries) -> None:
        """Its row of our own tally, if it has one, is free."""
        if series.tally is self._own and series.row != NOBODY:
            self._own.clear(series.row)
            self._free.append(series.row)
            series.row = NOBODY

    def observe(self, batch: Sequence[ProbeResult]) -> None:
        """Results of targets that were removed meanwhile are passed over."""
        for result in batch:
            series = self._series.get((result.target, result.region)) or self._elsewhere(result)
            if series is None:
                continue
            series.take(result)
            if series.tally is self._own and result.kind != "tls_grade":
                if series.row == NOBODY:
                    self._settle(series)
                self._own.record(series.row, result)

    def _elsewhere(self, result: ProbeResult) -> TargetSeries | None:
        target = self._targets.get(result.target)
        if target is None:
            return None
        key = (result.target, printable(result.region))
        if key not in self._series:
            self._series[key] = TargetSeries(target, key[1], self._own)
            self._change += 1
        return self._series[key]

    def _settle(self, series: TargetSeries) -> None:
        if not self._free:
            before = self._own.capacity
            self._own.enlarge(2 * before)
            self._free = list(range(2 * before - 1, before - 1, -1))
        series.row = self._free.pop()
        self._own.claim(series.row, series.target)
        self._change += 1

    def get(self, target_name: str, region: str) -> TargetSeries | None:
        return self._series.get((target_name, region))

    def set_incidents(self, open_incidents: Iterable[Incident]) -> None:
        """All that are open now; what did not change costs nothing."""
        now = {(incident.target, incident.region): incident for incident in open_incidents}
        for key in now.keys() | self._open.keys():
            series = self._series.get(key)
            if series is not None and series.incident != now.get(key):
                series.incident = now.get(key)
                series.changed()
        self._open = now

    def blocks(self) -> tuple[Block, ...]:
        """May be called from any thread: made anew when something has changed since."""
        change = self._change
        if self._blocks[0] != change:
            self._blocks = (change, blocks_of(list(self._series.values())))
        return self._blocks[1]
