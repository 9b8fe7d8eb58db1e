"""The daemon in this process: what can come in the way while it starts, reloads and ends."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from monitor.assembly import Plan, plan_of
from monitor.clock import SystemClock
from monitor.daemon import Daemon
from monitor.errors import UserError
from monitor.links import Links
from monitor.settings import Settings
from monitor.store import Store
from probes.target import Target
from tests.support.wait import auntil

pytestmark = pytest.mark.parametrize("store_kind", ["sqlite"], indirect=True)
PLAIN = {"name": "web", "url": "https://127.0.0.1:9/", "every": "60s"}
GRADED = {**PLAIN, "tls": {"grade": "A"}}


def plan(tmp_path: Path, *targets: dict[str, Any]) -> Plan:
    route = {"driver": "sink", "file": tmp_path / "pages"}
    return plan_of(
        Settings.model_validate(
            {"pagerduty": {"routes": {"default": route}}, "targets": [Target.model_validate(each) for each in targets]}
        )
    )


@asynccontextmanager
async def running(daemon: Daemon) -> AsyncIterator[asyncio.Task[int]]:
    """Until the end of the block; there it is told to end, and must."""
    task = asyncio.create_task(daemon.run())
    try:
        yield task
    finally:
        await asyncio.wait_for(_ready(daemon), 60)
        os.kill(os.getpid(), signal.SIGTERM)
        assert await asyncio.wait_for(task, 60) == 0


async def _ready(daemon: Daemon) -> None:
    async def ready() -> bool:
        return not daemon.health.missing()

    await auntil(ready, seconds=60, what="the daemon")


async def test_a_reload_that_comes_before_the_start_waits_for_it(store: Store, tmp_path: Path) -> None:
    daemon = Daemon(plan(tmp_path, PLAIN), lambda: plan(tmp_path, GRADED), store)
    early = asyncio.create_task(daemon.reload())
    async with running(daemon):
        await asyncio.wait_for(early, 60)
        await _ready(daemon)
        names = sorted(process.name for process in multiprocessing.active_children())
        assert names == ["probes-0", "tls-grades"]


async def test_nothing_is_reloaded_at_the_end(store: Store, tmp_path: Path) -> None:
    daemon = Daemon(plan(tmp_path, PLAIN), lambda: plan(tmp_path, GRADED), store)
    async with running(daemon):
        pass
    with pytest.raises(UserError, match="ending"):
        await daemon.reload()
    assert multiprocessing.active_children() == []


async def test_a_hangup_while_it_starts_does_not_end_it(store: Store, tmp_path: Path) -> None:
    loads: list[int] = []

    def load() -> Plan:
        loads.append(1)
        return plan(tmp_path, PLAIN)

    daemon = Daemon(plan(tmp_path, PLAIN), load, store)
    async with running(daemon):
        await asyncio.sleep(0)  # its first step: from here on it hears signals
        os.kill(os.getpid(), signal.SIGHUP)
        await auntil(lambda: asyncio.sleep(0, loads == [1]), seconds=60)


async def test_a_start_that_fails_leaves_no_worker_behind(store: Store, tmp_path: Path) -> None:
    daemon = Daemon(plan(tmp_path, PLAIN), lambda: plan(tmp_path, PLAIN), store, SystemClock())
    await store.close()
    async with store._write() as connection:
        await connection.exec_driver_sql("DROP TABLE minutes")
    with pytest.raises(Exception, match="no such table"):
        await daemon.run()
    assert multiprocessing.active_children() == []


async def test_a_reload_changes_the_links_of_the_page_too(store: Store, tmp_path: Path) -> None:
    before = plan(tmp_path, PLAIN)
    after = replace(before, links=Links(dashboard_url="https://grafana.example/{target}"))
    daemon = Daemon(before, lambda: after, store)
    async with running(daemon):
        assert daemon.links().dashboard_url is None
        await daemon.reload()
        assert daemon.links().dashboard_url == "https://grafana.example/{target}"
