"""Raw results: written in batches, read by people, counted into minutes, kept for a day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from monitor.store.grades import GradeRows
from monitor.store.tables import results, series
from probes.result import ProbeResult

SeriesKey = tuple[str, str, str]  # target, region, kind
DETAIL_CHARACTERS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class RawResult:
    """A probe's result as it is kept. `reason` is None when the probe succeeded."""

    target: str
    region: str
    kind: str
    started_at: datetime
    duration_seconds: float
    late_seconds: float
    phases: dict[str, float]
    reason: str | None
    detail: str | None
    status_code: int | None
    address: str | None


def _key(result: ProbeResult) -> SeriesKey:
    return result.target, result.region, result.kind


def _row(series_id: int, result: ProbeResult) -> dict[str, Any]:
    failure = result.failure
    return {
        "started_at": result.started_at,
        "series_id": series_id,
        "duration_seconds": round(result.duration_seconds, 6),
        "late_seconds": round(result.late_seconds, 6),
        "phases": {phase.value: round(seconds, 6) for phase, seconds in result.phases},
        "reason": failure.reason.value if failure else None,
        "detail": failure.detail[:DETAIL_CHARACTERS] if failure else None,
        "status_code": result.http.status_code if result.http else None,
        "address": result.address,
    }


class ResultRows(GradeRows):
    async def write_results(self, batch: Sequence[ProbeResult]) -> None:
        """Keep results, and the grades among them, in one transaction. Writing a result twice is writing it once."""
        if not batch:
            return
        ids = await self._series_ids({_key(result) for result in batch})
        rows = [_row(ids[_key(result)], result) for result in batch]
        async with self._write(serialised=False) as connection:
            await connection.execute(self._insert(results).on_conflict_do_nothing(), rows)
            for result in batch:
                if result.grade is not None:
                    await self._save_grade(connection, ids[_key(result)], result.started_at, result.grade)

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

    async def results(
        self, *, target: str | None = None, since: datetime | None = None, limit: int = 100
    ) -> list[RawResult]:
        """Newest first."""
        query = sa.select(series.c.target, series.c.region, series.c.kind, results)
        query = query.join(series, series.c.id == results.c.series_id)
        if target is not None:
            query = query.where(series.c.target == target)
        if since is not None:
            query = query.where(results.c.started_at >= since)
        query = query.order_by(results.c.started_at.desc(), results.c.series_id).limit(limit)
        async with self._read() as connection:
            rows = (await connection.execute(query)).mappings().all()
        return [RawResult(**{name: row[name] for name in RawResult.__slots__}) for row in rows]
