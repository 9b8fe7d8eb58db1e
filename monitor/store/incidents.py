"""Reading incidents, their timelines, their runbooks, and the audit trail."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from alerts.incident import Incident, IncidentState, Step, TimelineEntry
from monitor.store import codec
from monitor.store.database import Database
from monitor.store.tables import audit, incidents, runbooks, steps, timeline


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRow:
    id: int
    at: datetime
    actor: str
    source: str
    action: str
    subject: str
    details: dict[str, str]


# Said in the statement itself, and without an order: only so does SQLite use the index of open incidents, however many
# there were. Built once: the housekeeping asks every other second.
_IS_OPEN = incidents.c.state != sa.literal_column(f"'{IncidentState.RESOLVED.value}'")
_ALL_OPEN = sa.select(incidents).where(_IS_OPEN)
_ANY_OPEN = "SELECT 1 FROM incidents WHERE state <> 'resolved' LIMIT 1"


async def load_incidents(
    connection: AsyncConnection, *where: sa.ColumnElement[bool], limit: int | None = None
) -> list[Incident]:
    """Newest first, each with its steps in the runbook's order."""
    query = sa.select(incidents).where(*where).order_by(incidents.c.id.desc()).limit(limit)
    return await _loaded(connection, await connection.execute(query))


async def _loaded(connection: AsyncConnection, found: sa.CursorResult[Any]) -> list[Incident]:
    rows = found.mappings().all()
    of_incident: dict[int, list[Step]] = defaultdict(list)
    if rows:
        wanted = steps.c.incident_id.in_([row["id"] for row in rows])
        query = sa.select(steps).where(wanted).order_by(steps.c.incident_id, steps.c.position)
        for row in (await connection.execute(query)).mappings():
            of_incident[row["incident_id"]].append(codec.step_of(row))
    return [codec.incident_of(row, of_incident[row["id"]]) for row in rows]


class IncidentReads(Database):
    async def incident(self, incident_id: int) -> Incident | None:
        async with self._read() as connection:
            found = await load_incidents(connection, incidents.c.id == incident_id)
        return found[0] if found else None

    async def incidents(
        self, *, open_only: bool = False, target: str | None = None, limit: int = 100
    ) -> list[Incident]:
        """Newest first."""
        if open_only and not await self._finds(_ANY_OPEN):
            return []  # the usual case
        of_target = () if target is None else (incidents.c.target == target,)
        async with self._read() as connection:
            if open_only and target is None:
                found = await _loaded(connection, await connection.execute(_ALL_OPEN))
                return sorted(found, key=lambda incident: incident.id, reverse=True)[:limit]
            return await load_incidents(connection, *of_target, *((_IS_OPEN,) if open_only else ()), limit=limit)

    async def last_resolved(self, region: str) -> dict[str, datetime]:
        """When the last resolved incident of each target ended; targets that never had one are not in it."""
        newest = sa.func.max(incidents.c.resolved_at, type_=incidents.c.resolved_at.type)
        query = sa.select(incidents.c.target, newest).where(incidents.c.region == region).group_by(incidents.c.target)
        async with self._read() as connection:
            return {target: at for target, at in await connection.execute(query) if at is not None}

    async def timeline(self, incident_id: int) -> list[TimelineEntry]:
        """Oldest first."""
        query = sa.select(timeline).where(timeline.c.incident_id == incident_id).order_by(timeline.c.id)
        async with self._read() as connection:
            return [codec.entry_of(row) for row in (await connection.execute(query)).mappings()]

    async def runbook_text(self, sha256: str) -> str | None:
        async with self._read() as connection:
            text: str | None = await connection.scalar(sa.select(runbooks.c.text).where(runbooks.c.sha256 == sha256))
        return text

    async def audit_rows(self, limit: int = 100) -> list[AuditRow]:
        """Newest first."""
        query = sa.select(audit).order_by(audit.c.id.desc()).limit(limit)
        async with self._read() as connection:
            return [AuditRow(**row) for row in (await connection.execute(query)).mappings()]
