"""The history of TLS grades: one row for each run of scans that gave the same."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.store import codec
from monitor.store.database import Database
from monitor.store.tables import grades, series
from probes.result import GradeFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class GradeRun:
    """Scans of one target, one after the other from `first_at` to `last_at`, that all gave the same."""

    target: str
    region: str
    first_at: datetime
    last_at: datetime
    facts: GradeFacts


class GradeRows(Database):
    async def _save_grade(self, connection: AsyncConnection, series_id: int, at: datetime, facts: GradeFacts) -> None:
        """Extend the newest run if the scan gave the same, else begin another."""
        value = codec.grade_json(facts)
        of_series = grades.c.series_id == series_id
        newest = sa.select(grades).where(of_series).order_by(grades.c.first_at.desc()).limit(1)
        run = (await connection.execute(newest)).mappings().first()
        if run is not None and run["facts"] == value:
            same = sa.update(grades).where(of_series, grades.c.first_at == run["first_at"])
            await connection.execute(same.values(last_at=max(at, run["last_at"])))
            return
        row = {"series_id": series_id, "first_at": at, "last_at": at, "letter": facts.letter, "facts": value}
        await connection.execute(self._insert(grades).values(row).on_conflict_do_nothing())

    async def latest_grades(self) -> list[GradeRun]:
        """The newest run of each target and region, by target."""
        other = grades.alias("other")
        newest = sa.select(sa.func.max(other.c.first_at)).where(other.c.series_id == grades.c.series_id)
        return await self._runs(grades.c.first_at == newest.scalar_subquery())

    async def grade_history(self, target: str, region: str) -> list[GradeRun]:
        """Oldest first."""
        return await self._runs(series.c.target == target, series.c.region == region)

    async def _runs(self, *where: sa.ColumnElement[bool]) -> list[GradeRun]:
        query = sa.select(series.c.target, series.c.region, grades).join(series, series.c.id == grades.c.series_id)
        query = query.where(*where).order_by(series.c.target, series.c.region, grades.c.first_at)
        async with self._read() as connection:
            rows = (await connection.execute(query)).mappings().all()
        plain = ("target", "region", "first_at", "last_at")
        return [GradeRun(**{name: row[name] for name in plain}, facts=codec.grade_of(row["facts"])) for row in rows]
