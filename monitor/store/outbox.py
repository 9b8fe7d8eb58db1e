"""The outbox: events for pagers, each key's in order, one at a time, leased to a sender and never forgotten."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from alerts.incident import TimelineEntry
from alerts.pagerduty.event import PageEvent
from monitor.store import codec
from monitor.store.database import Database
from monitor.store.tables import incidents, outbox, timeline

log = structlog.get_logger(__name__)

# Times here are wall-clock times, because they must hold over restarts. A row that was touched later than now shows
# that the clock was set back, and is due at once; hosts that share a store may differ by this much.
CLOCK_TOLERANCE = timedelta(seconds=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxRow:
    """`attempts` counts the times it was leased, this one included. `state` is pending, sent or parked."""

    id: int
    incident_id: int
    event: PageEvent
    attempts: int
    created_at: datetime
    state: str
    due_at: datetime
    finished_at: datetime | None
    note: str | None  # the pager's receipt, or why the last attempt failed


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxStats:
    pending: int
    parked: int
    oldest_pending_seconds: float  # 0 when nothing is pending


def _row(row: sa.RowMapping) -> OutboxRow:
    plain = {name: row[name] for name in OutboxRow.__slots__ if name != "event"}
    return OutboxRow(event=codec.event_of(row["event"]), **plain)


# Said in the statement itself: only so does SQLite use an index of these rows alone, however many were sent.
_PENDING = sa.literal_column("'pending'", sa.Text)
_PARKED = sa.literal_column("'parked'", sa.Text)


def _leasable(*of_region: sa.ColumnElement[bool]) -> sa.Select[tuple[int]]:
    """Only the oldest unfinished row of a key, if it is due and nobody is at it: so the order of a key is kept."""
    older, now = outbox.alias("older"), sa.bindparam("now", type_=outbox.c.due_at.type)
    is_oldest = ~sa.exists().where(
        older.c.dedup_key == outbox.c.dedup_key, older.c.state == _PENDING, older.c.id < outbox.c.id
    )
    clock_was_set_back = outbox.c.touched_at > sa.bindparam("tolerated")
    waited = sa.and_(outbox.c.due_at <= now, sa.or_(outbox.c.lease_owner.is_(None), outbox.c.lease_until <= now))
    where = outbox.c.state == _PENDING, is_oldest, sa.or_(waited, clock_was_set_back), *of_region
    query = sa.select(outbox.c.id).where(*where).order_by(outbox.c.due_at, outbox.c.id)
    return query.limit(sa.bindparam("rows", type_=sa.Integer()))


_ANY_PENDING = "SELECT 1 FROM outbox WHERE state = 'pending' LIMIT 1"
_ANY_UNSENT = f"SELECT 1 WHERE EXISTS ({_ANY_PENDING}) OR EXISTS (SELECT 1 FROM outbox WHERE state = 'parked')"  # noqa: S608
# Built once: delivery asks every other second, and to build it costs more than to ask.
_LEASABLE = _leasable()
_LEASABLE_OF_REGION = _leasable(
    sa.exists().where(incidents.c.id == outbox.c.incident_id, incidents.c.region == sa.bindparam("region"))
)
_COUNT = sa.select(sa.func.count()).select_from(outbox)
_OLDEST = sa.select(sa.func.min(outbox.c.created_at, type_=outbox.c.created_at.type))
_STATS = sa.select(
    _COUNT.where(outbox.c.state == _PENDING).scalar_subquery(),
    _COUNT.where(outbox.c.state == _PARKED).scalar_subquery(),
    _OLDEST.where(outbox.c.state == _PENDING).scalar_subquery(),
)


def _marking(row_id: int, owner: str, values: dict[str, Any]) -> sa.Update:
    """Nothing for an owner that has lost the lease meanwhile."""
    mine = outbox.c.id == row_id, outbox.c.state == "pending", outbox.c.lease_owner == owner
    return sa.update(outbox).where(*mine).values({"lease_owner": None, "lease_until": None, **values})


class Outbox(Database):
    async def lease(
        self, owner: str, now: datetime, lease_seconds: float, limit: int = 10, *, region: str | None = None
    ) -> list[OutboxRow]:
        """Take rows to send; nobody else gets them, or a later row of their keys, before `lease_seconds` are over.

        `owner` must be of one start of one process: a sender that was thought dead is told apart by it.
        `region` leaves the rows of other regions' daemons to them.
        """
        if not await self._finds(_ANY_PENDING):
            return []  # the usual case
        heads = _LEASABLE if region is None else _LEASABLE_OF_REGION
        values = {"now": now, "tolerated": now + CLOCK_TOLERANCE} | ({} if region is None else {"region": region})
        async with self._read() as connection:
            if await connection.scalar(heads, values | {"rows": 1}) is None:
                return []  # costs no write
        taken = {
            "lease_owner": owner,
            "lease_until": now + timedelta(seconds=lease_seconds),
            "touched_at": now,
            "attempts": outbox.c.attempts + 1,
        }
        async with self._write() as connection:
            ids = (await connection.scalars(heads, values | {"rows": limit})).all()
            update = sa.update(outbox).where(outbox.c.id.in_(ids)).values(taken).returning(outbox)
            found = (await connection.execute(update)).mappings().all()
            rows = [row for each in found if (row := await self._read_or_park(connection, each, now)) is not None]
        return sorted(rows, key=lambda row: ids.index(row.id))

    async def _read_or_park(self, connection: AsyncConnection, row: sa.RowMapping, now: datetime) -> OutboxRow | None:
        """One row that nobody can read (of another version, or edited by hand) must not hold up all the others."""
        try:
            return _row(row)
        except ValueError as error:
            note = f"this version of monitor cannot read the event: {type(error).__name__}"
            log.error("a page cannot be read and is parked", row=row["id"], incident=row["incident_id"])
            parked = {"state": "parked", "finished_at": now, "lease_owner": None, "lease_until": None, "note": note}
            await connection.execute(sa.update(outbox).where(outbox.c.id == row["id"]).values(parked))
            return None

    async def release_leases(self, owner_prefix: str) -> int:
        """Give back what owners whose names begin so had leased: for the start of a daemon after its own crash."""
        begins = sa.func.substr(outbox.c.lease_owner, 1, len(owner_prefix)) == owner_prefix
        update = sa.update(outbox).where(outbox.c.state == "pending", begins)
        update = update.values(lease_owner=None, lease_until=None)
        async with self._write() as connection:
            return (await connection.execute(update)).rowcount

    async def mark_sent(self, row_id: int, owner: str, at: datetime, note: str = "") -> bool:
        """The pager took it. False, and nothing is changed, when `owner` has lost the lease meanwhile."""
        return await self._mark(row_id, owner, {"state": "sent", "finished_at": at, "note": note})

    async def mark_retry(self, row_id: int, owner: str, next_at: datetime, reason: str) -> bool:
        """Not taken now; due again at `next_at`. False as with `mark_sent`."""
        return await self._mark(row_id, owner, {"due_at": next_at, "note": reason})

    async def mark_parked(self, row_id: int, owner: str, at: datetime, reason: str) -> bool:
        """It will never be taken as it is: kept where people see it, out of the way of later rows of its key.

        The incident's timeline says so, for it says already that somebody was paged.
        """
        update = _marking(row_id, owner, {"state": "parked", "finished_at": at, "note": reason})
        async with self._write() as connection:
            incident_id = await connection.scalar(update.returning(outbox.c.incident_id))
            if incident_id is None:
                return False
            text = f"nobody was told: the pager refused an event for good: {reason}"
            entry = TimelineEntry(at=at, actor="monitor", source="daemon", kind="refused", text=text)
            await connection.execute(sa.insert(timeline), [codec.entry_row(incident_id, entry)])
            return True

    async def _mark(self, row_id: int, owner: str, values: dict[str, Any]) -> bool:
        async with self._write() as connection:
            return (await connection.execute(_marking(row_id, owner, values))).rowcount == 1

    async def outbox_stats(self, now: datetime) -> OutboxStats:
        if not await self._finds(_ANY_UNSENT):
            return OutboxStats(pending=0, parked=0, oldest_pending_seconds=0.0)
        async with self._read() as connection:
            pending, parked, oldest = (await connection.execute(_STATS)).one()
        waited_seconds = 0.0 if oldest is None else max(0.0, (now - oldest).total_seconds())
        return OutboxStats(pending=pending, parked=parked, oldest_pending_seconds=waited_seconds)

    async def outbox_rows(self, incident_id: int) -> list[OutboxRow]:
        """Every event of the incident, oldest first, whatever became of it."""
        query = sa.select(outbox).where(outbox.c.incident_id == incident_id).order_by(outbox.c.id)
        async with self._read() as connection:
            return [_row(row) for row in (await connection.execute(query)).mappings()]
