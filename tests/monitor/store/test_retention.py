from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from alerts.incident import PageAction
from monitor.store import PruneCount, Store, retention
from tests.support.incidents import NOON, page, saved
from tests.support.results import result_at

DAY = timedelta(days=1)
MONTH = timedelta(days=30)


async def keep_results(store: Store, *times: datetime) -> None:
    await store.write_results([result_at(at, target=target) for at in times for target in ("api", "web")])


async def test_raw_results_go_after_a_day(store: Store) -> None:
    await keep_results(store, NOON - DAY - timedelta(microseconds=1), NOON - DAY, NOON)
    assert (await store.prune(NOON, DAY, MONTH)).results == 2
    assert {raw.started_at for raw in await store.results()} == {NOON - DAY, NOON}


async def test_minutes_go_after_a_month(store: Store) -> None:
    old, new = (NOON - MONTH).replace(second=0, microsecond=0), NOON.replace(second=0, microsecond=0)
    await keep_results(store, old, new)
    for minute in (old, new):
        assert await store.roll_minute("eu", minute, {}) == 2
    assert (await store.prune(NOON, DAY, MONTH)).minutes == 2
    assert {minute.minute for minute in await store.minutes(None, "eu", old)} == {new}


async def test_what_minutes_are_counted_from_stays(store: Store) -> None:
    await keep_results(store, NOON - timedelta(minutes=14))
    assert (await store.prune(NOON, timedelta(0), MONTH)).results == 0


async def test_sent_pages_go_with_the_minutes_and_all_others_stay(store: Store) -> None:
    incident = await saved(store)
    async with store.write() as tx:
        for action in (PageAction.TRIGGER, PageAction.ACKNOWLEDGE, PageAction.RESOLVE):
            await tx.enqueue(page(action), incident.id, NOON - 2 * MONTH)
        await tx.audit(NOON - 100 * MONTH, "ada", "cli", "noted", "incident 1", {})
    (trigger,) = await store.lease("one", NOON, 30, 10)
    await store.mark_sent(trigger.id, "one", NOON - MONTH - timedelta(seconds=1))
    (acknowledge,) = await store.lease("one", NOON, 30, 10)
    await store.mark_parked(acknowledge.id, "one", NOON - 2 * MONTH, "refused")
    assert await store.prune(NOON, DAY, MONTH) == PruneCount(results=0, minutes=0, outbox=1)
    assert [row.state for row in await store.outbox_rows(incident.id)] == ["parked", "pending"]
    assert len(await store.audit_rows()) == 1
    assert len(await store.incidents()) == 1


async def test_much_goes_in_small_steps(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "CHUNK_ROWS", 4)
    monkeypatch.setattr(retention, "PAUSE_SECONDS", 0)
    await keep_results(store, *(NOON - 2 * DAY + timedelta(seconds=second) for second in range(5)), NOON)
    assert (await store.prune(NOON, DAY, MONTH)).results == 10
    assert len(await store.results()) == 2
