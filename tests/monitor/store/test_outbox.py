from __future__ import annotations

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from alerts.incident import Incident, PageAction
from alerts.pagerduty.event import Link, PageEvent
from monitor.store import OutboxRow, Store, codec
from monitor.store.tables import outbox
from tests.support.incidents import NOON, OPEN, page, saved

SECOND = timedelta(seconds=1)


async def enqueued(store: Store, incident: Incident, *actions: PageAction, at: datetime = NOON) -> list[int]:
    async with store.write() as tx:
        return [await tx.enqueue(page(action, dedup_key=incident.dedup_key), incident.id, at) for action in actions]


async def lease(store: Store, at: datetime = NOON, owner: str = "one", limit: int = 10) -> list[OutboxRow]:
    return await store.lease(owner, at, 30, limit)


async def test_an_event_comes_back_as_it_was(store: Store) -> None:
    event = page(
        severity="warning",
        timestamp=NOON,
        component="c",
        group="g",
        class_="outage",
        details=(("seen", "503"), ("seen", "504")),
        links=(Link(href="https://runbooks.example/api", text="Runbook"),),
        client_url="https://monitor.example",
    )
    incident = await saved(store)
    async with store.write() as tx:
        row_id = await tx.enqueue(event, incident.id, NOON)
    (row,) = await lease(store)
    assert (row.id, row.event, row.attempts, row.created_at, row.incident_id) == (row_id, event, 1, NOON, incident.id)


texts = st.text(min_size=1)
times = st.none() | st.datetimes(timezones=st.just(UTC))


@given(st.builds(PageEvent, route=texts, dedup_key=texts, timestamp=times))
def test_every_event_survives_json(event: PageEvent) -> None:
    assert codec.event_of(codec.event_json(event)) == event


async def test_events_of_a_key_go_one_at_a_time_in_order(store: Store) -> None:
    ids = await enqueued(store, await saved(store), PageAction.TRIGGER, PageAction.ACKNOWLEDGE, PageAction.RESOLVE)
    for row_id in ids:
        (row,) = await lease(store)
        assert row.id == row_id
        assert await lease(store, owner="two") == []
        assert await store.mark_sent(row.id, "one", NOON, "taken")
    assert await lease(store) == []
    done = [(row.state, row.note, row.finished_at) for row in await store.outbox_rows(1)]
    assert done == [("sent", "taken", NOON)] * 3


async def test_keys_do_not_wait_for_each_other(store: Store) -> None:
    first = await enqueued(store, await saved(store), PageAction.TRIGGER, PageAction.RESOLVE)
    second = await enqueued(store, await saved(store, target="web"), PageAction.TRIGGER)
    assert [row.id for row in await lease(store)] == [first[0], second[0]]


async def test_an_event_that_cannot_be_read_is_parked_and_holds_up_nothing(store: Store) -> None:
    incident, other = await saved(store), await saved(store, target="web")
    unreadable, behind = await enqueued(store, incident, PageAction.TRIGGER, PageAction.RESOLVE)
    (beside,) = await enqueued(store, other, PageAction.TRIGGER)
    async with store._write() as connection:
        await connection.execute(sa.update(outbox).where(outbox.c.id == unreadable).values(event={"action": "shout"}))
    assert [row.id for row in await lease(store)] == [beside]
    assert [row.id for row in await lease(store)] == [behind]
    assert (await store.outbox_stats(NOON)).parked == 1


async def test_the_limit_is_kept_and_the_longest_due_go_first(store: Store) -> None:
    late = await enqueued(store, await saved(store), PageAction.TRIGGER, at=NOON)
    early = await enqueued(store, await saved(store, target="web"), PageAction.TRIGGER, at=NOON - SECOND)
    assert [row.id for row in await lease(store, limit=1)] == early
    assert [row.id for row in await lease(store, limit=1)] == late


async def test_a_retry_waits_and_holds_back_its_key(store: Store) -> None:
    ids = await enqueued(store, await saved(store), PageAction.TRIGGER, PageAction.RESOLVE)
    await lease(store)
    assert await store.mark_retry(ids[0], "one", NOON + 5 * SECOND, "503")
    assert await lease(store, NOON + 4 * SECOND) == []
    (row,) = await lease(store, NOON + 5 * SECOND)
    assert (row.id, row.attempts, row.note) == (ids[0], 2, "503")


async def test_a_parked_row_stays_visible_and_out_of_the_way(store: Store) -> None:
    ids = await enqueued(store, await saved(store), PageAction.TRIGGER, PageAction.RESOLVE)
    await lease(store)
    assert await store.mark_parked(ids[0], "one", NOON, "invalid routing key")
    (row,) = await lease(store)
    assert row.id == ids[1]
    parked, _ = await store.outbox_rows(1)
    assert (parked.state, parked.note) == ("parked", "invalid routing key")


async def test_who_lost_the_lease_changes_nothing(store: Store) -> None:
    (row_id,) = await enqueued(store, await saved(store), PageAction.TRIGGER)
    await lease(store, owner="slow")
    after = NOON + 31 * SECOND
    assert [row.id for row in await lease(store, after, "quick")] == [row_id]
    before = await store.outbox_rows(1)
    assert not await store.mark_sent(row_id, "slow", after)
    assert not await store.mark_retry(row_id, "slow", after, "timeout")
    assert not await store.mark_parked(row_id, "slow", after, "refused")
    assert await store.outbox_rows(1) == before
    assert await store.mark_sent(row_id, "quick", after)
    assert not await store.mark_sent(row_id, "quick", after)


async def test_a_lease_that_ran_out_unnoticed_still_marks(store: Store) -> None:
    (row_id,) = await enqueued(store, await saved(store), PageAction.TRIGGER)
    await lease(store)
    assert await store.mark_sent(row_id, "one", NOON + timedelta(hours=1))


async def test_leases_of_a_dead_daemon_are_given_back(store: Store) -> None:
    await enqueued(store, await saved(store), PageAction.TRIGGER)
    await enqueued(store, await saved(store, target="web"), PageAction.TRIGGER)
    await lease(store, owner="host_1:a", limit=1)
    await lease(store, owner="HOST_1:b", limit=1)
    assert await store.release_leases("host_1:") == 1
    assert len(await lease(store, owner="new")) == 1
    assert await store.release_leases("") == 2
    assert len(await lease(store, owner="newer")) == 2


async def test_a_clock_that_was_set_back_holds_no_page_up(store: Store) -> None:
    (row_id,) = await enqueued(store, await saved(store), PageAction.TRIGGER)
    yesterday = NOON - timedelta(days=1)
    assert [row.id for row in await lease(store, yesterday)] == [row_id]
    assert await lease(store, yesterday, "two") == []
    await store.mark_retry(row_id, "one", yesterday + SECOND, "503")
    assert [row.id for row in await lease(store, yesterday + SECOND)] == [row_id]
    two_days_ago = yesterday - timedelta(days=1)
    assert [row.id for row in await lease(store, two_days_ago, "after the second step")] == [row_id]


async def test_clocks_of_two_hosts_may_differ_a_little(store: Store) -> None:
    await enqueued(store, await saved(store), PageAction.TRIGGER)
    await lease(store)
    assert await lease(store, NOON - 59 * SECOND, "two") == []


async def test_another_regions_rows_are_left_to_it(store: Store) -> None:
    await enqueued(store, await saved(store, region="us"), PageAction.TRIGGER)
    assert await store.lease("one", NOON, 30, 10, region="eu") == []
    assert len(await store.lease("one", NOON, 30, 10, region="us")) == 1


async def test_stats_count_what_is_not_sent(store: Store) -> None:
    empty = await store.outbox_stats(NOON)
    assert (empty.pending, empty.parked, empty.oldest_pending_seconds) == (0, 0, 0.0)
    ids = await enqueued(store, await saved(store), PageAction.TRIGGER, PageAction.ACKNOWLEDGE, PageAction.RESOLVE)
    await lease(store)
    await store.mark_parked(ids[0], "one", NOON, "no")
    await lease(store)
    await store.mark_sent(ids[1], "one", NOON)
    stats = await store.outbox_stats(NOON + 90 * SECOND)
    assert (stats.pending, stats.parked, stats.oldest_pending_seconds) == (1, 1, 90.0)
    assert (await store.outbox_stats(NOON - SECOND)).oldest_pending_seconds == 0.0


async def test_an_event_is_undone_with_its_incident(store: Store) -> None:
    try:
        async with store.write() as tx:
            await tx.save(OPEN)
            await tx.enqueue(page(), OPEN.id, NOON)
            raise KeyError
    except KeyError:
        pass
    assert await lease(store) == []


async def test_a_refused_page_is_told_in_the_timeline_of_its_incident(store: Store) -> None:
    incident = await saved(store)
    (row_id,) = await enqueued(store, incident, PageAction.TRIGGER)
    await lease(store)
    assert not await store.mark_parked(row_id, "somebody else", NOON, "no such key")
    assert "refused" not in [entry.kind for entry in await store.timeline(incident.id)]
    assert await store.mark_parked(row_id, "one", NOON + SECOND, "no such key")
    last = (await store.timeline(incident.id))[-1]
    assert (last.at, last.actor, last.kind) == (NOON + SECOND, "monitor", "refused")
    assert "nobody was told" in last.text
    assert "no such key" in last.text
