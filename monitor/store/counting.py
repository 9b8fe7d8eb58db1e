"""Minutes while their results come in: counted in memory, so that nothing that was written is read again for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import islice

from monitor.store.rollup import GRADE_KIND, MINUTE, Tally, Thresholds
from monitor.store.series import SeriesKey
from monitor.store.types import EPOCH
from probes.result import ProbeResult

Tallies = dict[SeriesKey, Tally]


class OpenMinutes:
    """What results that are written make of their minutes, until those are taken to the store and forgotten."""

    def __init__(self, thresholds: Mapping[str, Thresholds]) -> None:
        self.thresholds = thresholds
        self._minutes: dict[int, Tallies] = {}  # by the number of the minute since 1970

    def __len__(self) -> int:
        """Tallies, of some 500 bytes each."""
        return sum(map(len, self._minutes.values()))

    def add(self, results: Iterable[ProbeResult]) -> None:
        for result in results:
            if result.reprobe or result.kind == GRADE_KIND:
                continue
            number = (result.started_at - EPOCH) // MINUTE
            tallies = self._minutes.get(number)
            if tallies is None:
                tallies = self._minutes[number] = {}
            key = (result.target, result.region, result.kind)
            tally = tallies.get(key)
            if tally is None:
                tally = tallies[key] = Tally(self.thresholds.get(result.target, ()))
            failure = result.failure
            tally.add(result.duration_seconds, None if failure is None else failure.reason, suspect=result.suspect)

    def over(self, now: datetime, grace: timedelta) -> list[datetime]:
        """Those that have ended `grace` ago, oldest first; and those of a clock that was set back meanwhile."""
        minutes = (EPOCH + number * MINUTE for number in sorted(self._minutes))
        return [minute for minute in minutes if minute + MINUTE + grace <= now or minute > now + MINUTE]

    def all(self) -> list[datetime]:
        return [EPOCH + number * MINUTE for number in sorted(self._minutes)]

    def some_of(self, minute: datetime, count: int) -> Tallies:
        """At most so many tallies of the minute; empty when none is left."""
        return dict(islice(self._minutes.get(_number(minute), {}).items(), count))

    def forget(self, minute: datetime, keys: Sequence[SeriesKey]) -> None:
        tallies = self._minutes[_number(minute)]
        for key in keys:
            del tallies[key]
        if not tallies:
            del self._minutes[_number(minute)]


def _number(minute: datetime) -> int:
    return (minute - EPOCH) // MINUTE
