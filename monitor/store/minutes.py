"""Minute rollups: counted from raw results when a minute is over, and again whenever that may have changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.store.database import Database
from monitor.store.histogram import Histogram
from monitor.store.rollup import MINUTE, MinuteRollup, Tally, Thresholds, minute_of
from monitor.store.tables import minutes, results, series

GRADE_KIND = "tls_grade"  # a scan, not a probe of the service: no part of any minute
# How far before the newest minute results may have come after it was counted.
LATE = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class MinuteSum:
    """Minutes of one target added up; `minute` is the newest of them. `slow` as in MinuteRollup."""

    minute: datetime
    total: int
    failed: int
    slow: dict[str, int]


class MinuteRows(Database):
    async def roll_minute(self, region: str, minute: datetime, thresholds: Mapping[str, Thresholds]) -> int:
        """Count one minute of all targets of the region from its raw results; how many targets had any."""
        query = (
            sa.select(results.c.series_id, series.c.target, results.c.duration_seconds, results.c.reason)
            .join(series, series.c.id == results.c.series_id)
            .where(results.c.started_at >= minute, results.c.started_at < minute + MINUTE)
            .where(series.c.region == region, series.c.kind != GRADE_KIND)
            .execution_options(yield_per=1000)  # a large minute does not hold up the event loop
        )
        tallies: dict[int, Tally] = {}
        async with self._write(serialised=False) as connection:
            async with connection.stream(query) as rows:
                async for series_id, target, duration, reason in rows:
                    if series_id not in tallies:
                        tallies[series_id] = Tally(thresholds.get(target, ()))
                    tallies[series_id].add(duration, reason)
            await self._upsert_minutes(connection, minute, tallies)
        return len(tallies)

    async def _upsert_minutes(
        self, connection: AsyncConnection, minute: datetime, tallies: Mapping[int, Tally]
    ) -> None:
        counted = {series_id: tally.row() for series_id, tally in tallies.items() if tally.total}
        if not counted:
            return
        insert = self._insert(minutes)
        changing = {name: insert.excluded[name] for name in ("total", "failed", "slow", "histogram")}
        upsert = insert.on_conflict_do_update(index_elements=[minutes.c.series_id, minutes.c.minute], set_=changing)
        rows = [{"series_id": series_id, "minute": minute, **row} for series_id, row in counted.items()]
        await connection.execute(upsert, rows)

    async def unrolled_from(self, region: str) -> datetime | None:
        """From when on minutes may be missing: a little before the newest. None: there is none at all."""
        newest = sa.select(sa.func.max(minutes.c.minute)).where(minutes.c.series_id == series.c.id).scalar_subquery()
        query = sa.select(newest.label("minute")).where(series.c.region == region)
        async with self._read() as connection:
            rolled = [minute for minute in await connection.scalars(query) if minute is not None]
        return max(rolled) - LATE if rolled else None

    async def next_raw_minute(self, region: str, since: datetime | None) -> datetime | None:
        """The first minute from `since` on of which there are raw results."""
        query = sa.select(results.c.started_at).join(series, series.c.id == results.c.series_id)
        query = query.where(series.c.region == region).order_by(results.c.started_at).limit(1)
        if since is not None:
            query = query.where(results.c.started_at >= since)
        async with self._read() as connection:
            found: datetime | None = await connection.scalar(query)
        return None if found is None else minute_of(found)

    async def minutes(self, target: str | None, region: str, since: datetime) -> list[MinuteRollup]:
        """Oldest first, from the minute of `since` on; of all targets of the region when `target` is None."""
        query = (
            sa.select(series.c.target, series.c.region, minutes)
            .join(series, series.c.id == minutes.c.series_id)
            .where(series.c.region == region, minutes.c.minute >= minute_of(since))
            .order_by(minutes.c.minute, series.c.target)
        )
        if target is not None:
            query = query.where(series.c.target == target)
        async with self._read() as connection:
            rows = (await connection.execute(query)).mappings().all()
        plain = ("target", "region", "minute", "total", "failed", "slow")
        return [
            MinuteRollup(**{name: row[name] for name in plain}, histogram=Histogram.from_json(row["histogram"]))
            for row in rows
        ]

    async def minute_sums(  # noqa: PLR0917 - what of whom, from when to when, and how finely
        self,
        target: str,
        region: str,
        since: datetime,
        now: datetime,
        fineness: Sequence[tuple[timedelta, timedelta]],
        objectives: Sequence[str],
    ) -> list[MinuteSum]:
        """The minutes of a target from `since` on, added up in the database: days of them are thousands of rows.

        `fineness` is (up to which age, how much time is added up), by age. What is older than its last is left out.
        """
        oldest = max(since, now - fineness[-1][0])
        by_age = [(minutes.c.minute >= now - age, max(60, int(span.total_seconds()))) for age, span in fineness]
        span_seconds = sa.case(*by_age).label("span_seconds")
        if self.dialect == "postgresql":
            seconds: sa.ColumnElement[int] = sa.cast(sa.extract("epoch", minutes.c.minute), sa.BigInteger)
        else:
            seconds = sa.type_coerce(minutes.c.minute, sa.BigInteger) // 1_000_000
        slow = [sa.func.sum(sa.func.coalesce(minutes.c.slow[name].as_integer(), 0)) for name in objectives]
        newest = sa.func.max(minutes.c.minute, type_=minutes.c.minute.type)
        query = (
            sa.select(newest, sa.func.sum(minutes.c.total), sa.func.sum(minutes.c.failed), *slow)
            .join(series, series.c.id == minutes.c.series_id)
            .where(series.c.target == target, series.c.region == region, minutes.c.minute >= oldest)
            .group_by(span_seconds, (seconds // span_seconds).label("span"))
            .order_by(newest)
        )
        async with self._read() as connection:
            rows = (await connection.execute(query)).all()
        return [
            MinuteSum(minute=minute, total=total, failed=failed, slow=dict(zip(objectives, counts, strict=True)))
            for minute, total, failed, *counts in rows
        ]
