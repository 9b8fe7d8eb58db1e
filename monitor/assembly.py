"""From settings to working parts."""

from __future__ import annotations

import math
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from alerts.pagerduty.event import Pager
from alerts.pagerduty.events_v2 import EventsV2
from alerts.pagerduty.sink import FileSink
from alerts.runbook import Runbook
from monitor.errors import UserError
from monitor.links import Links, links_of
from monitor.response import read_runbooks
from monitor.settings import Route, Settings
from probes.engine.cores import usable_cores


@dataclass(frozen=True)
class Plan:
    """Settings, and what they name, read and made: a plan that exists can be worked with."""

    settings: Settings
    runbooks: Mapping[Path, Runbook]
    links: Links
    pagers: Mapping[str, Pager]


def plan_of(settings: Settings) -> Plan:
    """Raises UserError with every problem of every runbook, or for a route that cannot work."""
    return Plan(settings, read_runbooks(settings.targets, settings.folder), links_of(settings), pagers_of(settings))


def pagers_of(settings: Settings) -> dict[str, Pager]:
    """A driver for each route. Raises UserError when one cannot work as it is set."""
    return {name: _pager(name, route, settings) for name, route in settings.pagerduty.routes.items()}


def _pager(name: str, route: Route, settings: Settings) -> Pager:
    place = f"pagerduty.routes.{name}"
    if route.driver == "sink":
        if route.file is None:
            raise UserError(f"{place}.file: the sink driver needs the file that pages are appended to")
        return FileSink(route.file)
    if route.routing_key is None:
        raise UserError(f"{place}.routing_key: the {route.driver} driver needs a key, as env:NAME or file:PATH")
    url, key = settings.pagerduty.events_url, route.routing_key.get_secret_value()
    try:
        if route.driver == "pagerduty":
            return EventsV2(url, key)
        from alerts.pagerduty.events_v1 import EventsV1  # an old library, loaded where an old key needs it

        return EventsV1(url, key)
    except ValueError as error:
        raise UserError(f"{place}: {error}") from None


def lease_owner(region: str) -> str:
    """A name for the outbox leases of this start of this process: another start is never taken for this one."""
    return f"{region}/{os.getpid()}/{secrets.token_hex(6)}"


# What a probe takes of a core, rounded up (docs/benchmarks.md): a handshake is most of it. A worker gets so
# many that they take a quarter of a core: so those that are due together hardly wait for each other.
PROBE_SECONDS, TLS_PROBE_SECONDS = 0.0002, 0.001
BUSY_SHARE = 0.25
FIXED = ("region", "data", "workers", "web", "store")


def worker_count(settings: Settings) -> int:
    """As many as the settings say. Else one a core, yet not more than their load needs: each takes some 40 MB."""
    if settings.workers is not None:
        return settings.workers
    load = sum(
        (TLS_PROBE_SECONDS if target.with_tls else PROBE_SECONDS) / target.every.total_seconds()
        for target in settings.targets
    )
    return max(1, min(usable_cores(), math.ceil(round(load / BUSY_SHARE, 6))))


def refuse_fixed_changes(old: Settings, new: Settings) -> None:
    """Some settings are what the running daemon stands on. Raises UserError for all that a reload would change."""
    changed = [name for name in FIXED if getattr(old, name) != getattr(new, name)]
    if changed:
        raise UserError(*(f"{name}: cannot change while the daemon runs; restart it" for name in changed))
