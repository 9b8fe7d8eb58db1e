"""Retention: what is old goes, a little at a time, so that nobody waits long for the writer's lock."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from monitor.store.database import Database
from monitor.store.tables import minutes, outbox, results, series

CHUNK_ROWS = 5000
# Between chunks other processes get the lock: SQLite lets them try again only every so often.
PAUSE_SECONDS = 0.05
# Minutes are counted from raw results, which therefore stay at least so long.
LEAST_RAW_KEEP = timedelta(minutes=15)


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneCount:
    results: int
    minutes: int
    outbox: int


class Retention(Database):
    async def prune(self, now: datetime, raw_keep: timedelta, minutes_keep: timedelta) -> PruneCount:
        """Remove raw results older than `raw_keep`, and minutes and sent outbox rows older than `minutes_keep`.

        Incidents, timelines, runbooks, grades and the audit trail are kept; so are parked outbox rows.
        """
        raw_end = now - max(raw_keep, LEAST_RAW_KEEP)
        minutes_end = now - minutes_keep
        # From the series down, so that each step is a range of the primary key, however long the table is.
        of_series = sa.and_(minutes.c.series_id == series.c.id, minutes.c.minute < minutes_end)
        sent = outbox.c.state == "sent", outbox.c.finished_at < minutes_end
        return PruneCount(
            results=await self._remove(
                results, sa.select(*results.primary_key.columns).where(results.c.started_at < raw_end)
            ),
            minutes=await self._remove(
                minutes, sa.select(*minutes.primary_key.columns).select_from(series.join(minutes, of_series))
            ),
            outbox=await self._remove(outbox, sa.select(outbox.c.id).where(*sent)),
        )

    async def _remove(self, table: sa.Table, old: sa.Select[tuple[object, ...]]) -> int:
        key = sa.tuple_(*table.primary_key.columns)
        delete = sa.delete(table).where(key.in_(old.limit(CHUNK_ROWS)))
        removed = 0
        while True:
            async with self._write(serialised=False) as connection:
                count = (await connection.execute(delete)).rowcount
            removed += count
            if count < CHUNK_ROWS:
                return removed
            await asyncio.sleep(PAUSE_SECONDS)
