"""The application with every part real: a store on disk, a socket, and a clock that stands still."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial

import httpx
import pytest
from starlette.types import ASGIApp

from alerts.incident import Incident, TimelineEntry
from monitor.clock import ManualClock
from monitor.links import Links
from monitor.live import Live
from monitor.metrics import Metrics
from monitor.store import Store
from monitor.web import Health, bind, create_app, serve
from monitor.web.access import Access
from tests.support import fleet

RUNBOOK = "# shop is down\n\n## Mitigation\n\n- [ ] **Roll it back** `id=roll-back`\n\n<script>alert(1)</script>\n"


@dataclass
class Site:
    """A served application and the parts that a test may turn. `reload` is what /-/reload runs."""

    client: httpx.AsyncClient
    store: Store
    live: Live
    metrics: Metrics
    clock: ManualClock
    missing: dict[str, str | None]
    reloads: list[Callable[[], None]]
    app: ASGIApp

    async def get(self, path: str, **headers: str) -> httpx.Response:
        return await self.client.get(path, headers=headers)

    async def page(self, path: str = "/") -> str:
        response = await self.get(path)
        assert response.status_code == 200, response.text
        return response.text


@pytest.fixture(params=["sqlite"])
def store_kind(request: pytest.FixtureRequest) -> str:
    """The pages read through the store's own methods, which have their own tests on both databases."""
    kind: str = request.param
    return kind


@asynccontextmanager
async def serving(store: Store, access: Access, listen: str = "127.0.0.1") -> AsyncIterator[Site]:
    clock = ManualClock(fleet.NOW)
    live, metrics = Live(fleet.TARGETS), Metrics(fleet.TARGETS, region=fleet.REGION, monotonic=clock.monotonic)
    missing: dict[str, str | None] = {"settings": None, "store": None, "workers": None}
    reloads: list[Callable[[], None]] = []

    async def reload() -> None:
        for act in reloads:
            act()

    listener = bind(listen, 0)
    app = create_app(
        metrics=metrics,
        live=live,
        store=store,
        health=Health({name: partial(missing.get, name) for name in missing}),
        reload=reload,
        clock=clock,
        region=fleet.REGION,
        access=access,
        links=lambda: Links(dashboard_url="https://grafana.example.com/d/monitor-overview?var-target={target}"),
    )
    base = f"http://127.0.0.1:{listener.getsockname()[1]}"
    async with serve(app, listener), httpx.AsyncClient(base_url=base, trust_env=False) as client:
        yield Site(client, store, live, metrics, clock, missing, reloads, app)


@pytest.fixture
async def site(store: Store) -> AsyncIterator[Site]:
    async with serving(store, Access(listen_host="127.0.0.1")) as site:
        results = [replace(result, monotonic_seconds=site.clock.monotonic()) for result in fleet.history()]
        site.live.observe(results)
        site.metrics.observe(results)
        yield site


async def stored(store: Store, incident: Incident, *entries: TimelineEntry, runbook: str = RUNBOOK) -> Incident:
    """`incident` under a number of its own, with `runbook` pinned."""
    sha256 = hashlib.sha256(runbook.encode()).hexdigest()
    async with store.write() as tx:
        number, episode = await tx.allocate(incident.target, incident.region)
        if incident.runbook is not None:
            incident = replace(incident, runbook=replace(incident.runbook, sha256=sha256))
            await tx.pin_runbook(sha256, "runbooks/shop.md", runbook)
        incident = replace(incident, id=number, episode=episode, dedup_key=f"{incident.target}:{episode}")
        await tx.save(incident, entries)
    return incident
