"""A network and a pager that lie: after every fault there is one alert, in the right state, and no key in sight."""

import logging
from collections.abc import Callable

import pytest
import structlog

from alerts.incident import PageAction
from alerts.pagerduty.event import PageEvent, Pager
from alerts.pagerduty.events_v1 import EventsV1
from alerts.pagerduty.events_v2 import EventsV2
from monitor.clock import ManualClock
from monitor.delivery import Delivery
from monitor.store import Store
from tests.support.pager import FAULTS, KEY, SLOW_FAULTS, Fault, FaultyPager, enqueue, faulty_pager

pytestmark = pytest.mark.parametrize("store_kind", ["sqlite"], indirect=True)
Driver = Callable[[str, float], Pager]
LIFE = tuple(PageEvent(action=action, route="default", dedup_key="k", summary="s", source="x") for action in PageAction)


def v2(url: str, deadline: float) -> Pager:
    return EventsV2(url, KEY, timeout_seconds=deadline)


def v1(url: str, deadline: float) -> Pager:
    return EventsV1(url, KEY, timeout_seconds=deadline)


async def deliver_all(store: Store, clock: ManualClock, delivery: Delivery, rounds: int = 60) -> int:
    """Rounds of one attempt and a long wait until nothing is pending; how many it took."""
    for done in range(rounds):
        if (await store.outbox_stats(clock.now())).pending == 0:
            return done
        await delivery.drain_once()
        clock.advance(331)  # more than the longest wait with its jitter
    raise AssertionError(f"still pending after {rounds} rounds")


async def life_of_an_incident(store: Store, server: FaultyPager, driver: Driver, deadline: float) -> int:
    clock = ManualClock()
    delivery = Delivery(store, {"default": driver(server.url, deadline)}, clock, "test")
    incident = await enqueue(store, clock, *LIFE)
    rounds = await deliver_all(store, clock, delivery)
    await delivery.close()
    assert [row.state for row in await store.outbox_rows(incident)] == ["sent"] * 3
    assert KEY not in str(await store.outbox_rows(incident)).lower()
    return rounds


def assert_one_resolved_alert(server: FaultyPager) -> None:
    assert [alert.status for alert in server.ledger.alerts] == ["resolved"]
    assert server.refused == []


@pytest.mark.parametrize("driver", [v2, v1])
@pytest.mark.parametrize(
    ("fault", "deadline"), [(fault, 10.0) for fault in FAULTS] + [(fault, 0.25) for fault in SLOW_FAULTS], ids=str
)
async def test_one_alert_after_each_fault(
    store: Store,
    fault: Fault,
    deadline: float,
    driver: Driver,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    async with faulty_pager([fault, fault]) as server:
        rounds = await life_of_an_incident(store, server, driver, deadline)
    assert rounds >= 2
    assert server.faults == []
    assert server.flooded < 32 * 1024 * 1024, "an endless answer must not be read"
    assert_one_resolved_alert(server)
    printed = capsys.readouterr()
    assert "page not taken" in printed.out
    assert KEY not in (printed.out + printed.err + caplog.text).lower()


@pytest.mark.parametrize("driver", [v2, v1])
@pytest.mark.parametrize("place", [1, 2])
@pytest.mark.parametrize(
    "fault", [fault for fault in FAULTS if fault.name in {"lost answer", "garbage that was taken"}], ids=str
)
async def test_an_acknowledge_or_resolve_whose_answer_is_lost(
    store: Store, fault: Fault, place: int, driver: Driver
) -> None:
    async with faulty_pager() as server:
        clock = ManualClock()
        delivery = Delivery(store, {"default": driver(server.url, 10.0)}, clock, "test")
        await enqueue(store, clock, *LIFE[:place])
        await deliver_all(store, clock, delivery)
        server.faults.append(fault)
        await enqueue(store, clock, LIFE[place])
        await deliver_all(store, clock, delivery)
        await delivery.close()
    assert [alert.status for alert in server.ledger.alerts] == [["", "acknowledged", "resolved"][place]]


async def test_a_hint_is_waited_for_and_no_longer(store: Store) -> None:
    clock = ManualClock()
    async with faulty_pager(FAULTS[:1]) as server:
        delivery = Delivery(store, {"default": v2(server.url, 10.0)}, clock, "test", chance=lambda: 0.0)
        await enqueue(store, clock, LIFE[0])
        assert await delivery.drain_once() == 1
        clock.advance(6.9)
        assert await delivery.drain_once() == 0
        clock.advance(0.2)
        assert await delivery.drain_once() == 1
        await delivery.close()
    assert len(server.ledger.alerts) == 1


async def test_a_refused_page_is_parked_loudly_and_lets_the_next_pass(store: Store) -> None:
    clock = ManualClock()
    async with faulty_pager() as server:
        delivery = Delivery(store, {"default": EventsV2(server.url, KEY[:-1])}, clock, "test")
        incident = await enqueue(store, clock, *LIFE)
        with structlog.testing.capture_logs() as logs:
            await delivery.drain_once()
        await delivery.close()
    rows = await store.outbox_rows(incident)
    assert [row.state for row in rows] == ["parked"] * 3
    assert "'routing_key' must have 32 characters" in str(rows[0].note)
    assert [line["log_level"] for line in logs] == ["error"] * 3
    assert KEY[:-1] not in str(rows) + str(logs)
    assert delivery.stats.parked == 3
