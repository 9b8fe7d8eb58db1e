"""What is measured together, by number: results and minutes name it so, which keeps millions of rows short."""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa

from monitor.store.database import Database
from monitor.store.tables import series
from probes.result import ProbeResult

SeriesKey = tuple[str, str, str]  # target, region, kind


def series_key(result: ProbeResult) -> SeriesKey:
    return result.target, result.region, result.kind


class SeriesRows(Database):
    async def _series_ids(self, keys: set[SeriesKey]) -> Mapping[SeriesKey, int]:
        """Kept in memory once they are committed: a number that was rolled back must not be remembered."""
        missing = sorted(keys - self._series.keys())
        if missing:
            rows = [{"target": target, "region": region, "kind": kind} for target, region, kind in missing]
            async with self._write(serialised=False) as connection:
                await connection.execute(self._insert(series).on_conflict_do_nothing(), rows)
                found = (await connection.execute(sa.select(series))).mappings().all()
            self._series = {(row["target"], row["region"], row["kind"]): row["id"] for row in found}
        return self._series
