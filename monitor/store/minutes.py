"""Minute rollups in the store: written as they are counted, or counted anew from raw results after a crash."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.store.flags import REPROBE, SUSPECT
from monitor.store.histogram import Histogram
from monitor.store.rollup import GRADE_KIND, MINUTE, MinuteRollup, Tally, Thresholds, minute_of
from monitor.store.series import SeriesKey, SeriesRows
from monitor.store.tables import minutes, results, series
from monitor.store.types import to_json

# How far before the newest minute results may have come after it was counted.
LATE = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class MinuteSum:
    """Minutes of one target added up; `minute` is the newest of them. `slow` and `suspect` as in MinuteRollup."""

    minute: datetime
    total: int
    failed: int
    slow: dict[str, int]
    suspect: dict[str, int]


_STORED = (
    sa.select(series.c.target, series.c.region, minutes)
    .join(series, series.c.id == minutes.c.series_id)
    .where(minutes.c.minute == sa.bindparam("minute"))
    .where(minutes.c.series_id.in_(sa.bindparam("ids", expanding=True)))
)


def _rollup(row: sa.RowMapping) -> MinuteRollup:
    plain = ("target", "region", "minute", "total", "failed", "slow", "suspect")
    return MinuteRollup(**{name: row[name] for name in plain}, histogram=Histogram.from_json(row["histogram"]))


def _row(series_id: int, minute: Any, tally: Tally) -> tuple[Any, ...]:
    """What the columns of the table take, in their order."""
    histogram = to_json(Histogram(tally.buckets).to_json())
    return series_id, minute, tally.total, tally.failed, to_json(tally.slow), histogram, to_json(tally.suspect)


class MinuteRows(SeriesRows):
    async def roll_minute(self, region: str, minute: datetime, thresholds: Mapping[str, Thresholds]) -> int:
        """Count one minute of all targets of the region anew, from its raw results; how many targets had any.

        What was counted of more results than there are raw ones stays as it is: raw results go, and stripped ones
        never were.
        """
        query = (
            sa.select(
                results.c.series_id, series.c.target, results.c.duration_seconds, results.c.reason, results.c.flags
            )
            .join(series, series.c.id == results.c.series_id)
            .where(results.c.started_at >= minute, results.c.started_at < minute + MINUTE)
            .where(series.c.region == region, series.c.kind != GRADE_KIND)
            .where(results.c.flags.bitwise_and(REPROBE) == 0)
            .execution_options(yield_per=1000)  # a large minute does not hold up the event loop
        )
        tallies: dict[int, Tally] = {}
        async with self._write(serialised=False) as connection:
            async with connection.stream(query) as rows:
                async for series_id, target, duration, reason, flags in rows:
                    if series_id not in tallies:
                        tallies[series_id] = Tally(thresholds.get(target, ()))
                    tallies[series_id].add(duration, reason, suspect=bool(flags & SUSPECT))
            await self._upsert_minutes(connection, minute, tallies)
        return len(tallies)

    async def add_to_minute(self, minute: datetime, tallies: Mapping[SeriesKey, Tally]) -> None:
        """Write what was counted of one minute, with what was stored of it before.

        A tally takes that in once: done again, after an error that leaves open whether it was written, it changes
        nothing. Keep `tallies` to some hundreds, which hold nobody up.
        """
        ids = await self._series_ids(set(tallies))
        of_number = {ids[key]: tally for key, tally in tallies.items()}
        parts = {number: tally for number, tally in of_number.items() if not tally.whole}
        async with self._read() as connection:
            stored = (await connection.execute(_STORED, {"minute": minute, "ids": list(parts)})).mappings().all()
        for row in stored:
            parts[row["series_id"]].add_stored(_rollup(row))
        for tally in parts.values():
            tally.whole = True
        async with self._write(serialised=False) as connection:
            await self._upsert_minutes(connection, minute, of_number)

    async def _upsert_minutes(
        self, connection: AsyncConnection, minute: datetime, tallies: Mapping[int, Tally]
    ) -> None:
        at = self._bind_time(minute)
        rows = [_row(number, at, tally) for number, tally in tallies.items() if tally.total]
        if rows:
            await connection.exec_driver_sql(self._upsert_minute, rows)

    @cached_property
    def _upsert_minute(self) -> str:
        insert = self._insert(minutes)
        key = [minutes.c.series_id, minutes.c.minute]
        changing = {column.name: insert.excluded[column.name] for column in minutes.c if column not in set(key)}
        no_less = insert.excluded.total >= minutes.c.total
        return self._compiled(insert.on_conflict_do_update(index_elements=key, set_=changing, where=no_less))

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
        return [_rollup(row) for row in rows]

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
        counts = [
            sa.func.sum(sa.func.coalesce(column[name].as_integer(), 0))
            for column in (minutes.c.slow, minutes.c.suspect)
            for name in objectives
        ]
        newest = sa.func.max(minutes.c.minute, type_=minutes.c.minute.type)
        query = (
            sa.select(newest, sa.func.sum(minutes.c.total), sa.func.sum(minutes.c.failed), *counts)
            .join(series, series.c.id == minutes.c.series_id)
            .where(series.c.target == target, series.c.region == region, minutes.c.minute >= oldest)
            .group_by(span_seconds, (seconds // span_seconds).label("span"))
            .order_by(newest)
        )
        async with self._read() as connection:
            rows = (await connection.execute(query)).all()
        return [
            MinuteSum(
                minute=minute,
                total=total,
                failed=failed,
                slow=dict(zip(objectives, counts[: len(objectives)], strict=True)),
                suspect=dict(zip(objectives, counts[len(objectives) :], strict=True)),
            )
            for minute, total, failed, *counts in rows
        ]
