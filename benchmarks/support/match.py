"""Which request at the server was which probe."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from benchmarks.support.stamped import Record

# Both clocks are the host's; what is stored is rounded to microseconds.
TOLERANCE_SECONDS = 0.001


class Probe(NamedTuple):
    """What a prober says of one probe. `path` is its address's; `started_at` is unix time."""

    path: str
    started_at: float
    processing_seconds: float
    suspect: bool | None = None


class Pair(NamedTuple):
    probe: Probe
    record: Record

    @property
    def error_seconds(self) -> float:
        """How much longer the prober says that the service took than it did."""
        return self.probe.processing_seconds - self.record.took_seconds


def pairs(probes: Iterable[Probe], records: Iterable[Record]) -> list[Pair]:
    """Each request belongs to the last probe of its address that had started when it arrived. Probes of one address do
    not overlap: where one seems to own two requests, another between them is missing, because it failed or was lost,
    and neither is taken. Nor is a request whose answer never left the server."""
    of_path: dict[str, list[Probe]] = defaultdict(list)
    for probe in sorted(probes, key=lambda probe: probe.started_at):
        of_path[probe.path].append(probe)
    started = {path: [probe.started_at for probe in some] for path, some in of_path.items()}
    found: dict[tuple[str, int], Pair] = {}
    doubtful: set[tuple[str, int]] = set()
    for record in records:
        if record.departed_ns is None:
            continue
        number = bisect_right(started.get(record.path, []), record.arrived_ns / 1e9 + TOLERANCE_SECONDS) - 1
        if number < 0:
            continue  # asked before the first of these probes
        if (record.path, number) in found:
            doubtful.add((record.path, number))
        found[record.path, number] = Pair(of_path[record.path][number], record)
    return [pair for key, pair in found.items() if key not in doubtful]
