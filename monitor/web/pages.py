"""The pages: the fleet at `/`, one incident at `/incidents/{id}`. They only read."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import structlog
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from alerts.incident import Incident, IncidentState, TimelineEntry
from alerts.runbook import render_html
from monitor.clock import Clock
from monitor.links import Links
from monitor.live import Live
from monitor.store.errors import StoreUnavailable
from monitor.web import present

_HERE = Path(__file__).parent
_MOST_INCIDENTS = 1000
_STORE_SECONDS = 3.0

log = structlog.get_logger()


class IncidentReader(Protocol):
    """What the pages need of the store."""

    async def incident(self, incident_id: int) -> Incident | None: ...
    async def incidents(
        self, *, open_only: bool = False, target: str | None = None, limit: int = 100
    ) -> list[Incident]: ...
    async def timeline(self, incident_id: int) -> list[TimelineEntry]: ...
    async def runbook_text(self, sha256: str) -> str | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Pages:
    """`links` gives those of the settings in force: a reload may change them."""

    live: Live
    store: IncidentReader
    clock: Clock
    region: str
    links: Callable[[], Links]

    def routes(self) -> list[Route | Mount]:
        return [
            Route("/", self.overview),
            Route("/incidents/{id}", self.incident),
            Mount("/static", StaticFiles(directory=_HERE / "static")),
        ]

    async def overview(self, request: Request) -> Response:
        """Every target, worst first, with the incidents that are open. Without the store, what memory has."""
        incidents = await self._open_incidents()
        views = self.live.views(self.clock.monotonic(), incidents)
        return await self._page(
            request,
            "overview.html",
            views=views,
            incidents=[view.incident for view in views if view.incident] if incidents is None else incidents,
            store_answers=incidents is not None,
            counts=Counter(view.state.value for view in views),
        )

    async def _open_incidents(self) -> list[Incident] | None:
        """None when the store does not answer: the page must show the targets all the same."""
        try:
            async with asyncio.timeout(_STORE_SECONDS):
                return await self.store.incidents(open_only=True, limit=_MOST_INCIDENTS)
        except (StoreUnavailable, TimeoutError) as error:
            log.warning("the store did not answer the status page", error=str(error))
            return None

    async def incident(self, request: Request) -> Response:
        """One incident with its timeline, evidence and pinned runbook."""
        if not re.fullmatch("[0-9]{1,18}", request.path_params["id"]):
            return await self._missing(request, 404, "There is no such page.")
        incident_id = int(request.path_params["id"])
        try:
            async with asyncio.timeout(_STORE_SECONDS):
                found = await self.store.incident(incident_id)
                if found is None:
                    return await self._missing(request, 404, f"There is no incident {incident_id}.")
                entries = await self.store.timeline(incident_id)
                text = None if found.runbook is None else await self.store.runbook_text(found.runbook.sha256)
        except (StoreUnavailable, TimeoutError):
            return await self._missing(request, 503, "The store does not answer now; try again.")
        return await self._page(request, "incident.html", incident=found, entries=entries, runbook_text=text)

    async def not_found(self, request: Request, _: Exception) -> Response:
        return await self._missing(request, 404, "There is no such page.")

    async def _missing(self, request: Request, status: int, text: str) -> Response:
        return await self._page(request, "missing.html", status, text=text)

    async def _page(self, request: Request, template: str, status: int = 200, **values: Any) -> Response:
        common = {
            "now": self.clock.now(),
            "region": self.region,
            "links": self.links(),
            # links are relative: a proxy may serve all this below a path of its own
            "root": "../" * (request.url.path.count("/") - 1) or "./",
        }
        html = await run_in_threadpool(_ENVIRONMENT.get_template(template).render, common | values)
        return HTMLResponse(html, status, headers={"cache-control": "no-store"})


@lru_cache(maxsize=64)
def _runbook_html(text: str) -> str:
    """Pinned texts never change, and hostile ones take long to render."""
    return render_html(text)


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for read in (present.latency, present.ago, present.until, present.utc, present.shown_url, present.sparkline):
        environment.filters[read.__name__] = read
    environment.filters["runbook_html"] = _runbook_html
    environment.globals.update(RESOLVED=IncidentState.RESOLVED, box=(present.WIDTH, present.HEIGHT))
    return environment


_ENVIRONMENT = _environment()
