"""What one serialised write transaction may do. All of it happens, or none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from alerts.incident import Incident, IncidentState, TimelineEntry
from alerts.pagerduty.event import PageEvent
from monitor.store import codec
from monitor.store.incidents import load_incidents
from monitor.store.tables import audit, counters, episodes, incidents, outbox, runbooks, steps, timeline

if TYPE_CHECKING:
    from monitor.store.database import Database


class WriteTx:
    """What it reads stays true until the commit: no other writer comes in between."""

    def __init__(self, database: Database, connection: AsyncConnection) -> None:
        self._insert = database._insert
        self._connection = connection

    async def open_incident(self, target: str, region: str) -> Incident | None:
        """The incident of the target that is not resolved; there is at most one."""
        is_open = incidents.c.state != IncidentState.RESOLVED.value
        found = await load_incidents(
            self._connection, incidents.c.target == target, incidents.c.region == region, is_open
        )
        return found[0] if found else None

    async def incident(self, incident_id: int) -> Incident | None:
        found = await load_incidents(self._connection, incidents.c.id == incident_id)
        return found[0] if found else None

    async def allocate(self, target: str, region: str) -> tuple[int, int]:
        """A new incident's (id, episode of its target). Numbers are never given out again."""
        number = self._insert(counters).values(name="incident", value=1)
        episode = self._insert(episodes).values(target=target, region=region, value=1)
        return (
            await self._counted(counters, number, [counters.c.name]),
            await self._counted(episodes, episode, [episodes.c.target, episodes.c.region]),
        )

    async def _counted(self, table: sa.Table, insert: Any, key: list[Any]) -> int:
        upsert = insert.on_conflict_do_update(index_elements=key, set_={"value": table.c.value + 1})
        value: int = (await self._connection.execute(upsert.returning(table.c.value))).scalar_one()
        return value

    async def save(self, incident: Incident, entries: Sequence[TimelineEntry] = ()) -> None:
        """Insert or update the incident with its steps, and append `entries` to its timeline.

        A second open incident of the target, and a dedup key that is in use, are refused with IntegrityError.
        """
        row = codec.incident_row(incident)
        changing = {name: value for name, value in row.items() if name not in codec.FIXED}
        insert = self._insert(incidents).values(row)
        await self._connection.execute(
            insert.on_conflict_do_update(index_elements=[incidents.c.id], set_=changing),
        )
        await self._save_steps(incident)
        await self.append(incident.id, entries)

    async def _save_steps(self, incident: Incident) -> None:
        if not incident.steps:
            return
        rows = [codec.step_row(incident.id, position, step) for position, step in enumerate(incident.steps)]
        insert = self._insert(steps)
        key = [steps.c.incident_id, steps.c.step_id]
        changing = {column.name: insert.excluded[column.name] for column in steps.c if column not in set(key)}
        await self._connection.execute(insert.on_conflict_do_update(index_elements=key, set_=changing), rows)

    async def append(self, incident_id: int, entries: Sequence[TimelineEntry]) -> None:
        """Append to the timeline alone."""
        if entries:
            rows = [codec.entry_row(incident_id, entry) for entry in entries]
            await self._connection.execute(sa.insert(timeline), rows)

    async def pin_runbook(self, sha256: str, path: str, text: str) -> None:
        """Keep the text of a runbook under its hash; a text that is kept already stays as it is."""
        insert = self._insert(runbooks).values(sha256=sha256, path=path, text=text)
        await self._connection.execute(insert.on_conflict_do_nothing())

    async def enqueue(self, event: PageEvent, incident_id: int, at: datetime) -> int:
        """Put an event in the outbox, after all that wait with its dedup key; the row's id."""
        row = {
            "incident_id": incident_id,
            "dedup_key": event.dedup_key,
            "event": codec.event_json(event),
            "state": "pending",
            "created_at": at,
            "touched_at": at,
            "due_at": at,
            "attempts": 0,
        }
        inserted = await self._connection.execute(sa.insert(outbox).values(row).returning(outbox.c.id))
        row_id: int = inserted.scalar_one()
        return row_id

    async def audit(  # noqa: PLR0917 - one row, in the order in which it reads
        self, at: datetime, actor: str, source: str, action: str, subject: str, details: Mapping[str, str]
    ) -> None:
        row = {"at": at, "actor": actor, "source": source, "action": action, "subject": subject}
        await self._connection.execute(sa.insert(audit).values(row | {"details": dict(details)}))
