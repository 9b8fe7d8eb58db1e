"""The order of each key, for any mix of keys and faults."""

import asyncio
import shutil
from itertools import groupby
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.incident import PageAction
from alerts.pagerduty.event import PageEvent
from alerts.pagerduty.events_v2 import EventsV2
from monitor.clock import ManualClock
from monitor.delivery import Delivery
from monitor.store import open_store, sqlite_url
from tests.support.pager import FAULTS, KEY, Fault, FaultyPager, enqueue, faulty_pager

T, A, R = PageAction.TRIGGER, PageAction.ACKNOWLEDGE, PageAction.RESOLVE
lives = st.lists(st.sampled_from([[T], [T, T], [T, R], [T, A, R], [T, A, T, R]]), min_size=1, max_size=4)
faults = st.lists(st.sampled_from([fault for fault in FAULTS if not fault.name.startswith("gigabyte")]), max_size=12)


async def deliver(path: Path, plan: list[list[PageAction]], mishaps: list[Fault], chance: float) -> FaultyPager:
    """Enqueue the lives in turns, as they come from many targets at once, and send until all are out."""
    clock = ManualClock()
    store = await open_store(sqlite_url(path))
    async with faulty_pager(mishaps) as server:
        pager = EventsV2(server.url, KEY)
        delivery = Delivery(store, {"default": pager}, clock, "test", chance=lambda: chance, concurrency=3)
        for turn in range(max(map(len, plan))):
            for number, life in enumerate(plan):
                if turn < len(life):
                    await enqueue(store, clock, PageEvent(action=life[turn], route="default", dedup_key=f"k{number}"))
            await delivery.drain_once()
            clock.advance(3)
        for _ in range(100):
            if not (await store.outbox_stats(clock.now())).pending:
                break
            await delivery.drain_once()
            clock.advance(100)
        await delivery.close()
        assert (await store.outbox_stats(clock.now())).pending == 0
    await store.close()
    return server


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("order")


@settings(max_examples=15, deadline=None)
@given(plan=lives, mishaps=faults, chance=st.floats(0, 1, exclude_max=True))
def test_each_key_keeps_its_order_and_has_one_alert(
    workshop: Path, sqlite_template: Path, plan: list[list[PageAction]], mishaps: list[Fault], chance: float
) -> None:
    path = workshop / "monitor.sqlite"
    shutil.copy(sqlite_template, path)
    for rest in workshop.glob("monitor.sqlite-*"):
        rest.unlink()
    server = asyncio.run(deliver(path, plan, list(mishaps), chance))
    for number, life in enumerate(plan):
        seen = [entry.action for entry in server.ledger.entries if entry.dedup_key == f"k{number}"]
        # An answer that was lost makes an event come twice in a row, never at another place.
        assert [action for action, _ in groupby(seen)] == [action for action, _ in groupby(life)]
        (alert,) = [alert for alert in server.ledger.alerts if alert.dedup_key == f"k{number}"]
        assert alert.status == ("resolved" if R in life else "triggered")
