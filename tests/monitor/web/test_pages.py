from __future__ import annotations

import asyncio
import re
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from alerts.incident import IncidentState, TimelineEntry
from alerts.verdict import Level
from monitor.store import Store, open_store
from monitor.web.access import Access
from probes.result import FailureReason
from tests.monitor.web.conftest import Site, serving, stored
from tests.support import fleet
from tests.support.browser import colours, screenshot

HOSTILE = "<script>alert('x')</script>\"'&"


def rows(page: str) -> list[str]:
    return re.findall(r'<th scope="row">(\S+)', page)


async def test_every_target_with_its_state_worst_first(site: Site) -> None:
    page = await site.page()
    assert rows(page) == ["shop", "silent", "chat", "database", "names", "payments", "router", "search", "stock"]
    assert "<b>refused</b> it was refused" in page
    assert "<b>1</b> failing" in page
    assert "<b>1</b> unknown" in page
    assert "<b>7</b> ok" in page
    assert page.count('class="spark"') == 8
    assert 'aria-label="last 40 probes, 80 ms to 140 ms, 6 failed"' in page
    assert '<b class="grade" title="TLS 1.0 is offered">B</b> <span class="quiet">wants A</span>' in page
    assert ">in 20 d</time>" in page
    assert "hidden-in-the-query" not in page


async def test_open_incidents_with_steps_and_links(site: Site) -> None:
    shop = await stored(site.store, fleet.incident())
    await stored(site.store, fleet.incident("search", level=Level.TICKET, runbook=False))
    gone = await stored(site.store, replace(fleet.incident("names"), state=IncidentState.RESOLVED))
    page = await site.page()
    assert rows(page)[:3] == ["shop", "search", "silent"]
    assert "<b>2</b> open incidents" in page
    assert f'href="./incidents/{shop.id}#runbook">Runbook: shop is down' in page
    assert "no runbook" in page
    assert f"incidents/{gone.id}" not in page
    assert "acknowledged by Ada <time" in page
    assert "1 of 3 steps done" in page
    assert "4.2 went out at 11:40" in page
    assert 'href="https://grafana.example.com/d/monitor-overview?var-target=shop"' in page


async def test_a_quiet_fleet(store: Store) -> None:
    async with serving(store, Access(listen_host="127.0.0.1")) as site:
        site.live.replace([])
        page = await site.page()
    assert "The settings name no target." in page
    assert "<b>0</b> open incidents" in page


async def test_time_alone_makes_a_silent_target_unknown(site: Site) -> None:
    site.clock.advance(60)
    page = await site.page()
    assert "<b>9</b> unknown" in page
    assert "<b>0</b> ok" in page
    assert "1 min ago" in page


async def test_one_incident_with_its_whole_story(site: Site) -> None:
    entries = (
        TimelineEntry(at=fleet.NOW, actor="monitor", source="daemon", kind="opened", text="3 probes in a row failed"),
        TimelineEntry(at=fleet.NOW + timedelta(minutes=1), actor="Ada", source="cli", kind="noted", text="one\ntwo"),
    )
    incident = await stored(site.store, fleet.incident(), *entries)
    page = await site.page(f"/incidents/{incident.id}")
    for text in ("3 probes in a row failed", "Ada (cli)", "one\ntwo", "connection refused by 192.0.2.10:443", "outage"):
        assert text in page
    assert page.index("opened</b>") < page.index("noted</b>")
    assert 'id="runbook"' in page
    assert "Mitigation</h2>" in page
    assert "<script" not in page, "raw HTML of a runbook stays text"
    assert "monitor incidents step" in page


async def test_a_resolved_incident_says_by_whom_and_offers_no_step(site: Site) -> None:
    resolved = replace(
        fleet.incident(runbook=False), state=IncidentState.RESOLVED, resolved_at=fleet.NOW, resolved_by="Bob"
    )
    incident = await stored(site.store, resolved)
    page = await site.page(f"/incidents/{incident.id}")
    assert "by Bob" in page
    assert "monitor incidents step" not in page
    assert 'id="runbook"' not in page


async def test_what_others_wrote_cannot_become_markup(site: Site) -> None:
    failing = fleet.result("shop", fails=FailureReason.BODY, detail=HOSTILE, monotonic=site.clock.monotonic())
    site.live.observe([failing])
    hostile = fleet.incident()
    steps = tuple(replace(step, title=HOSTILE, actor=HOSTILE, note=HOSTILE) for step in hostile.steps)
    hostile = replace(
        hostile, title=HOSTILE, acknowledged_by=HOSTILE, evidence=((HOSTILE, HOSTILE),), steps=steps, route=HOSTILE
    )
    entry = TimelineEntry(at=fleet.NOW, actor=HOSTILE, source=HOSTILE, kind=HOSTILE, text=HOSTILE)
    runbook = f"# {HOSTILE}\n\n[x](javascript:alert(1)) ![i](http://192.0.2.1/i.png)\n\n{HOSTILE}\n"
    incident = await stored(site.store, hostile, entry, runbook=runbook)
    for path in ("/", f"/incidents/{incident.id}"):
        page = await site.page(path)
        assert "&lt;script&gt;alert" in page
        assert "<script" not in page
        assert 'href="javascript' not in page
        assert "<img" not in page


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/incidents/999", "There is no incident 999."),
        ("/incidents/99999999999999999999999", "There is no"),
        ("/incidents/" + "9" * 5000, "There is no such page."),
        ("/static/%00", "There is no such page."),
        ("/static/%ff", "There is no such page."),
        ("/incidents/-1", "There is no such page."),
        ("/incidents/x", "There is no such page."),
        ("/static/../pages.py", "There is no such page."),
        ("/static/%2e%2e/pages.py", "There is no such page."),
    ],
)
async def test_what_there_is_not(site: Site, path: str, says: str) -> None:
    answer = await site.get(path)
    assert answer.status_code == 404
    assert says in answer.text


async def test_links_hold_below_a_proxys_path(site: Site) -> None:
    """Every link is relative, and leads from each page to one that there is."""
    incident = await stored(site.store, fleet.incident())
    for path in ("/", f"/incidents/{incident.id}", "/no/such/page"):
        answer = await site.get(path)
        links = re.findall(r'href="(\.[^"#]*)', answer.text)
        assert links
        assert 'href="/' not in answer.text
        for link in links:
            assert (await site.get(str(answer.url.join(link).path))).status_code == 200, link


async def test_the_page_only_reads(site: Site) -> None:
    for path in ("/", "/incidents/1", "/static/style.css"):
        assert (await site.client.post(path)).status_code == 405
    assert "<form" not in await site.page()


async def test_a_broken_store_leaves_the_targets_in_sight(sqlite_template: Path, tmp_path: Path) -> None:
    path = tmp_path / "broken.sqlite"
    path.write_bytes(sqlite_template.read_bytes())
    store = await open_store(f"sqlite+aiosqlite:///{path}")
    async with serving(store, Access(listen_host="127.0.0.1")) as site:
        site.live.set_incidents([fleet.incident()])
        await store.close()
        for part in tmp_path.glob("broken.sqlite*"):
            part.write_bytes(b"no database any more" * 500)
        page = await site.page()
        incident = await site.get("/incidents/7")
    await store.close()
    assert "The store does not answer" in page
    assert "#7 shop" in page, "as it was last known"
    assert rows(page)[0] == "shop"
    assert (incident.status_code, "The store does not answer now" in incident.text) == (503, True)


@pytest.mark.parametrize("store_kind", ["postgresql"], indirect=True)
async def test_a_store_that_hangs_does_not_hang_the_page(store: Store) -> None:
    async with serving(store, Access(listen_host="127.0.0.1")) as site, store._write() as holder:
        await holder.execute(sa.text("LOCK TABLE incidents IN ACCESS EXCLUSIVE MODE"))
        assert "The store does not answer" in await site.page()


async def test_a_thousand_targets_are_all_listed_and_soon(site: Site) -> None:
    targets = [fleet.TARGETS[0].model_copy(update={"name": f"service-{i:04}"}) for i in range(1000)]
    site.live.replace(targets)
    now = site.clock.monotonic()
    for i in range(60):
        site.live.observe(
            [replace(fleet.result("shop", monotonic=now, seconds=0.1 + i / 1000), target=t.name) for t in targets]
        )
    began = time.process_time()
    page = await site.page()
    assert time.process_time() - began < 5.0
    assert rows(page) == [target.name for target in targets]
    assert len(page) < 3_000_000


@pytest.mark.parametrize(
    ("dark", "ground", "failing"),
    [(False, (0xFB, 0xFB, 0xFA), (0xFC, 0xE8, 0xE6)), (True, (0x14, 0x17, 0x1A), (0x45, 0x20, 0x1D))],
)
async def test_a_real_browser_takes_the_style_under_the_pages_own_policy(
    site: Site, tmp_path: Path, dark: bool, ground: tuple[int, int, int], failing: tuple[int, int, int]
) -> None:
    png = tmp_path / "page.png"
    await asyncio.to_thread(screenshot, str(site.client.base_url), png, width=400, height=400, dark=dark)
    seen = await asyncio.to_thread(colours, png)
    assert seen.most_common(1)[0][0] == ground
    assert seen[failing] > 100, "the ground of the badge of a failing target"
