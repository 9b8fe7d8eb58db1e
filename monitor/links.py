"""The addresses that a page carries: where its runbook, its dashboard and the incident itself are seen."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from alerts.incident import Incident
from alerts.pagerduty.event import Link

if TYPE_CHECKING:
    from monitor.settings import Settings

_EVERYWHERE = ("0.0.0.0", "::", "")  # noqa: S104 - compared with, not listened on


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """`external_url` is this daemon as people reach it; `dashboard_url` has `{target}` where the name goes."""

    external_url: str | None = None
    runbooks_url: str | None = None
    dashboard_url: str | None = None

    def incident(self, incident: Incident) -> str | None:
        return self.external_url and f"{self.external_url.rstrip('/')}/incidents/{incident.id}"

    def runbook(self, incident: Incident) -> str | None:
        """The file where people keep their runbooks, or the text that is pinned to the incident, shown by us."""
        if incident.runbook is None:
            return None
        if self.runbooks_url is None:
            page = self.incident(incident)
            return page and f"{page}#runbook"
        joint = "" if self.runbooks_url.endswith(("/", "=")) else "/"
        return f"{self.runbooks_url}{joint}{quote(incident.runbook.path.lstrip('/'))}"

    def dashboard(self, incident: Incident) -> str | None:
        return self.dashboard_url and self.dashboard_url.replace("{target}", quote(incident.target, safe=""))

    def of(self, incident: Incident) -> tuple[Link, ...]:
        """Those that are known, the most urgent first."""
        title = incident.runbook.title if incident.runbook else ""
        known = (
            (self.runbook(incident), f"Runbook: {title}"),
            (self.dashboard(incident), f"Dashboard of {incident.target}"),
            (self.incident(incident), f"Incident {incident.id}"),
        )
        return tuple(Link(href=href, text=text) for href, text in known if href)


def links_of(settings: Settings) -> Links:
    """Without an `external_url` people are taken to reach the daemon where it listens, or by this host's name."""
    web = settings.web
    host = socket.gethostname() if web.host in _EVERYWHERE else web.listen.rpartition(":")[0]
    return Links(
        external_url=web.external_url or f"http://{host}:{web.port}",
        runbooks_url=settings.runbooks.base_url,
        dashboard_url=settings.dashboards.url,
    )
