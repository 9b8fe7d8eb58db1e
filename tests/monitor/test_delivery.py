"""The sender itself: waits, stops, a store that fails, routes that go away."""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from alerts.incident import PageAction
from alerts.pagerduty.event import PageEvent, Receipt
from alerts.pagerduty.events_v2 import EventsV2
from monitor import delivery as module
from monitor.clock import Clock, ManualClock, SystemClock
from monitor.delivery import CAP_SECONDS, Delivery, delay_seconds
from monitor.store import Store
from tests.support.pager import KEY, SUCCESS, Fault, FaultyPager, black_hole, enqueue, faulty_pager, says
from tests.support.wait import auntil

SQLITE = pytest.mark.parametrize("store_kind", ["sqlite"], indirect=True)
LIFE = tuple(PageEvent(action=action, route="default", dedup_key="k", summary="s", source="x") for action in PageAction)
TRIGGER = LIFE[0]


@pytest.fixture
async def server() -> AsyncIterator[FaultyPager]:
    async with faulty_pager() as server:
        yield server


def sender(store: Store, server: FaultyPager, clock: Clock, **options: float) -> Delivery:
    pager = EventsV2(server.url, KEY, timeout_seconds=20)
    return Delivery(store, {"default": pager}, clock, "test", chance=lambda: 0.5, **options)  # type: ignore[arg-type]


@contextlib.asynccontextmanager
async def running(delivery: Delivery) -> AsyncIterator[asyncio.Event]:
    """The event stops it; the exit waits for its end, within a time that no send may hold up."""
    stop = asyncio.Event()
    task = asyncio.create_task(delivery.run(stop))
    try:
        yield stop
    finally:
        stop.set()
        await asyncio.wait_for(task, 15)
        await delivery.close()


async def statuses(server: FaultyPager) -> list[str]:
    return [alert.status for alert in server.ledger.alerts]


@given(st.integers(1, 10_000), st.none() | st.floats(1, 300), st.floats(0, 1, exclude_max=True))
def test_a_wait_is_never_under_a_second_nor_endless(attempts: int, hint: float | None, chance: float) -> None:
    wait = delay_seconds(attempts, hint, chance)
    assert 1 <= wait <= CAP_SECONDS * 1.1
    assert hint is None or wait >= hint


def test_the_first_retry_is_quick_and_the_ceiling_doubles() -> None:
    assert [delay_seconds(attempts, None, 0.999) // 1 for attempts in range(1, 10)] == [
        1, 4, 9, 19, 39, 79, 159, 299, 299,
    ]  # fmt: skip


async def test_a_life_is_sent_in_order_and_written_down(store: Store, server: FaultyPager) -> None:
    clock = ManualClock()
    delivery = sender(store, server, clock)
    incident = await enqueue(store, clock, *LIFE)
    assert await delivery.drain_once() == 3
    await delivery.close()
    assert [entry.effect for entry in server.ledger.entries] == ["opened", "acknowledged", "resolved"]
    assert [row.state for row in await store.outbox_rows(incident)] == ["sent"] * 3
    assert delivery.stats.sent == 3


async def test_two_senders_make_one_of_each(store: Store, server: FaultyPager) -> None:
    clock = ManualClock()
    keys = [f"k{number}" for number in range(5)]
    for key in keys:
        await enqueue(store, clock, *[replace(event, dedup_key=key) for event in LIFE])
    pager = EventsV2(server.url, KEY)
    senders = [Delivery(store, {"default": pager}, clock, owner, concurrency=2) for owner in ("one", "two")]
    while (await store.outbox_stats(clock.now())).pending:
        await asyncio.gather(*[delivery.drain_once() for delivery in senders])
    await pager.close()
    assert sorted(entry.dedup_key for entry in server.ledger.entries) == sorted(keys * 3)
    assert await statuses(server) == ["resolved"] * 5


@SQLITE
async def test_a_wake_sends_at_once(store: Store, server: FaultyPager) -> None:
    delivery = sender(store, server, SystemClock(), poll_seconds=3600)
    async with running(delivery):
        await auntil(lambda: asyncio.sleep(0, delivery.stats.in_flight == 0))
        await enqueue(store, SystemClock(), TRIGGER)
        delivery.wake()
        await auntil(lambda: statuses(server))


@SQLITE
async def test_rows_of_another_process_are_found_without_a_wake(store: Store, server: FaultyPager) -> None:
    async with running(sender(store, server, SystemClock(), poll_seconds=0.05)):
        await enqueue(store, SystemClock(), TRIGGER)
        await auntil(lambda: statuses(server))


@SQLITE
async def test_a_retry_waits_for_no_look_at_the_outbox(
    store: Store, server: FaultyPager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FIRST_RETRY_SECONDS", 0.05)
    server.faults.append(Fault("503", False, says(b"HTTP/1.1 503 Down\r\nContent-Length: 0\r\n\r\n")))
    await enqueue(store, SystemClock(), TRIGGER)
    delivery = sender(store, server, SystemClock(), poll_seconds=3600)
    async with running(delivery):
        await auntil(lambda: asyncio.sleep(0, delivery.stats.sent == 1))
    assert delivery.stats.retries == 1


@SQLITE
async def test_a_key_that_hangs_does_not_hold_up_the_others(
    store: Store, server: FaultyPager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STOP_SECONDS", 0.1)
    server.faults.append(Fault("hang", True, black_hole))
    async with running(sender(store, server, SystemClock(), poll_seconds=0.05)):
        await enqueue(store, SystemClock(), *LIFE)
        await auntil(lambda: statuses(server))
        await enqueue(store, SystemClock(), replace(TRIGGER, dedup_key="other"))
        assert await auntil(lambda: asyncio.sleep(0, [a.dedup_key for a in server.ledger.alerts][1:])) == ["other"]
        assert await statuses(server) == ["triggered"] * 2, "what is behind the key that hangs must wait"


@SQLITE
async def test_a_stop_sends_what_is_due(store: Store, server: FaultyPager) -> None:
    clock = ManualClock()
    await enqueue(store, clock, *LIFE)
    async with running(sender(store, server, clock)) as stop:
        stop.set()
    assert await statuses(server) == ["resolved"]


@SQLITE
@pytest.mark.parametrize("cancelled", [False, True])
async def test_a_stop_gives_a_page_in_flight_back(
    store: Store, server: FaultyPager, monkeypatch: pytest.MonkeyPatch, cancelled: bool
) -> None:
    monkeypatch.setattr(module, "STOP_SECONDS", 0.1)
    clock = ManualClock()
    server.faults.append(Fault("hang", True, black_hole))
    await enqueue(store, clock, TRIGGER)
    stop = asyncio.Event()
    delivery = sender(store, server, clock)
    task = asyncio.create_task(delivery.run(stop))
    await auntil(lambda: statuses(server))
    if cancelled:
        task.cancel()
    stop.set()
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.wait_for(task, 10)
    assert task.cancelled() is cancelled
    assert len(await store.lease("another", clock.now(), 30, 10)) == 1
    await delivery.close()


@SQLITE
async def test_the_lease_of_a_sender_that_was_killed_ends(store: Store, server: FaultyPager) -> None:
    clock = ManualClock()
    await enqueue(store, clock, TRIGGER)
    await store.lease("killed", clock.now(), 30, 10)
    delivery = sender(store, server, clock)
    assert await delivery.drain_once() == 0
    clock.advance(31)
    assert await delivery.drain_once() == 1
    await delivery.close()


@SQLITE
async def test_a_clock_that_is_set_back_delays_no_page(store: Store, server: FaultyPager) -> None:
    clock = ManualClock()
    server.faults.append(
        Fault("429", False, says(b"HTTP/1.1 429 Slow\r\nRetry-After: 300\r\nContent-Length: 0\r\n\r\n"))
    )
    await enqueue(store, clock, TRIGGER)
    delivery = sender(store, server, clock)
    await delivery.drain_once()
    clock.step_wall(-7200)
    assert await delivery.drain_once() == 1
    assert await statuses(server) == ["triggered"]
    await delivery.close()


@SQLITE
async def test_a_clock_that_is_set_forward_sends_no_page_beside_itself(
    store: Store, server: FaultyPager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STOP_SECONDS", 0.1)
    clock = ManualClock()
    server.faults.append(Fault("hang", True, black_hole))
    async with running(sender(store, server, clock, poll_seconds=0.05)):
        await enqueue(store, clock, *LIFE)
        await auntil(lambda: statuses(server))
        clock.step_wall(3600)
        await enqueue(store, clock, replace(TRIGGER, dedup_key="other"))
        await auntil(lambda: asyncio.sleep(0, len(server.ledger.alerts) == 2))
        assert [body["dedup_key"] for body in server.bodies] == ["k", "other"]


@SQLITE
async def test_a_route_that_went_away_keeps_its_pages(store: Store, server: FaultyPager) -> None:
    clock = ManualClock()
    pagers = {"default": EventsV2(server.url, KEY)}
    delivery = Delivery(store, {}, clock, "test")
    incident = await enqueue(store, clock, TRIGGER)
    with structlog.testing.capture_logs() as logs:
        await delivery.drain_once()
    assert [(line["log_level"], line["reason"]) for line in logs] == [("error", "the settings have no route 'default'")]
    assert [row.state for row in await store.outbox_rows(incident)] == ["pending"]
    assert delivery.stats.no_route == 1
    await delivery.replace(pagers)
    clock.advance(30)
    await delivery.drain_once()
    await delivery.close()
    assert await statuses(server) == ["triggered"]


class Broken:
    """A driver with a defect that quotes its key."""

    closed = False

    async def send(self, event: PageEvent) -> Receipt:
        raise RuntimeError(f"unexpected {KEY}")

    async def close(self) -> None:
        self.closed = True


class Endless(Broken):
    async def send(self, event: PageEvent) -> Receipt:
        await asyncio.Event().wait()
        raise AssertionError("nobody sets it")


@SQLITE
@pytest.mark.parametrize("driver", [Broken(), Endless()], ids=["broken", "endless"])
async def test_a_defective_driver_loses_nothing_and_shows_no_key(store: Store, driver: Broken) -> None:
    clock = ManualClock()
    delivery = Delivery(store, {"default": driver}, clock, "test", lease_seconds=0.2)
    incident = await enqueue(store, clock, TRIGGER)
    with structlog.testing.capture_logs() as logs:
        assert await delivery.drain_once() == 1
    await delivery.close()
    (row,) = await store.outbox_rows(incident)
    assert row.state == "pending"
    assert "defect of the driver" in str(row.note)
    assert KEY not in str(logs) + str(row)
    assert driver.closed


def rename(store_url: str, old: str, new: str) -> None:
    """Break the store for real, or repair it: the outbox is not where it was."""
    with contextlib.closing(sqlite3.connect(Path(store_url.split("///", 1)[1]), timeout=10)) as connection:
        connection.execute(f"ALTER TABLE {old} RENAME TO {new}")


@SQLITE
async def test_a_store_that_fails_for_a_while_ends_nothing(store: Store, store_url: str, server: FaultyPager) -> None:
    await enqueue(store, SystemClock(), *LIFE)
    rename(store_url, "outbox", "gone")
    delivery = sender(store, server, SystemClock(), poll_seconds=0.05)
    async with running(delivery):
        await auntil(lambda: asyncio.sleep(0, delivery.stats.store_errors >= 2))
        rename(store_url, "gone", "outbox")
        assert await auntil(lambda: statuses(server))
        await auntil(lambda: asyncio.sleep(0, delivery.stats.sent == 3))
    assert await statuses(server) == ["resolved"]


@SQLITE
async def test_a_sent_page_is_written_down_when_the_store_is_back(
    store: Store, store_url: str, server: FaultyPager
) -> None:
    async def break_the_store_and_succeed(_: FaultyPager, writer: asyncio.StreamWriter) -> None:
        rename(store_url, "outbox", "gone")
        writer.write(SUCCESS)
        await writer.drain()

    server.faults.append(Fault("breaks the store", True, break_the_store_and_succeed))
    incident = await enqueue(store, SystemClock(), TRIGGER)
    delivery = sender(store, server, SystemClock(), poll_seconds=3600)
    async with running(delivery):
        await auntil(lambda: asyncio.sleep(0, delivery.stats.store_errors >= 1))
        rename(store_url, "gone", "outbox")
        await auntil(lambda: asyncio.sleep(0, delivery.stats.sent == 1))
    assert [row.state for row in await store.outbox_rows(incident)] == ["sent"]
    assert len(server.bodies) == 1


@SQLITE
async def test_new_routes_close_only_the_drivers_that_went(store: Store) -> None:
    stays, goes = Broken(), Broken()
    delivery = Delivery(store, {"a": stays, "b": goes}, ManualClock(), "test")
    await delivery.replace({"a": stays})
    assert (stays.closed, goes.closed) == (False, True)


@SQLITE
async def test_new_routes_do_not_wait_for_a_page_in_flight(store: Store) -> None:
    class Slow(Broken):
        def __init__(self) -> None:
            self.let_go = asyncio.Event()

        async def send(self, event: PageEvent) -> Receipt:
            await self.let_go.wait()
            return Receipt("slow" if not self.closed else "closed under its feet")

    slow = Slow()
    delivery = Delivery(store, {"default": slow}, ManualClock(), "test")
    incident = await enqueue(store, ManualClock(), TRIGGER)
    sending = asyncio.create_task(delivery.drain_once())
    await auntil(lambda: asyncio.sleep(0, delivery.stats.in_flight == 1))
    await asyncio.wait_for(delivery.replace({}), 5)
    assert not slow.closed
    slow.let_go.set()
    await sending
    await delivery.close()
    assert slow.closed
    assert [row.note for row in await store.outbox_rows(incident)] == ["slow"]
