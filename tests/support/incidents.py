"""Examples of what the store keeps."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from alerts.incident import Incident, IncidentState, PageAction
from alerts.pagerduty.event import PageEvent
from alerts.verdict import Level
from monitor.store import Store

NOON = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
OPEN = Incident(
    id=1,
    target="api",
    region="eu",
    episode=1,
    dedup_key="monitor:eu:api:1",
    state=IncidentState.TRIGGERED,
    level=Level.PAGE,
    severity="critical",
    title="api is down",
    route="default",
    opened_at=NOON,
)


def page(action: PageAction = PageAction.TRIGGER, **changes: Any) -> PageEvent:
    event = PageEvent(action=action, route="default", dedup_key=OPEN.dedup_key, summary="api is down", source="api")
    return replace(event, **changes)


async def saved(store: Store, *, target: str = "api", region: str = "eu", **changes: Any) -> Incident:
    """A new incident of `target` in the store, with numbers of its own."""
    async with store.write() as tx:
        number, episode = await tx.allocate(target, region)
        key = f"monitor:{region}:{target}:{episode}"
        numbered = replace(OPEN, id=number, target=target, region=region, episode=episode, dedup_key=key, **changes)
        await tx.save(numbered)
    return numbered
