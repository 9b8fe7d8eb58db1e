"""The web application: every part that it reads from is handed in."""

from __future__ import annotations

from collections.abc import Callable

from starlette.applications import Starlette
from starlette.types import ASGIApp

from monitor.clock import Clock
from monitor.links import Links
from monitor.live import Live
from monitor.metrics import Metrics
from monitor.web.access import Access, Guard
from monitor.web.health import Health
from monitor.web.operations import Reload, operations
from monitor.web.pages import IncidentReader, Pages


def create_app(
    *,
    metrics: Metrics,
    live: Live,
    store: IncidentReader,
    health: Health,
    reload: Reload,
    clock: Clock,
    region: str,
    access: Access,
    links: Callable[[], Links],
) -> ASGIApp:
    """`reload` reads the settings again, or raises UserError; `links` gives those of the settings in force."""
    pages = Pages(live=live, store=store, clock=clock, region=region, links=links)
    app = Starlette(
        routes=[*operations(metrics, health, reload), *pages.routes()],
        exception_handlers={404: pages.not_found},
    )
    return Guard(app, access)
