"""The path of a result, with the real rules, incidents and store; time is driven."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from alerts.incident import Incident, IncidentState, PageAction, dedup_key
from alerts.verdict import Signal
from monitor import response
from monitor.bus import LocalBus
from monitor.clock import ManualClock
from monitor.links import Links
from monitor.pipeline import Pipeline
from monitor.store import Store, StoreUnavailable
from monitor.store.tables import incidents
from probes.options import OutageOptions, RecoveryOptions
from probes.result import Failure, FailureReason, ProbeResult
from probes.target import Target
from tests.support.incidents import OPEN
from tests.support.results import result_at

API = Target(
    name="api",
    url="http://api.example/",
    outage=OutageOptions(failures=3, **{"for": "20s"}),
    recovery=RecoveryOptions(successes=2, **{"for": "10s"}),
)
REFUSED = Failure(FailureReason.REFUSED, "connection refused")


class Bench:
    """A pipeline on a store, and what it told."""

    def __init__(self, store: Store, targets: Sequence[Target] = (API,)) -> None:
        self.clock = ManualClock()
        self.store = store
        self.commits = 0
        self.opened: list[Incident] = []
        self.observed: list[ProbeResult] = []
        self.away = False
        self.defective = False
        self.pipeline = Pipeline(
            targets,
            respond=self._respond,
            observers=[self._observe],
            on_commit=self._committed,
            on_open=self.opened.append,
        )

    async def _respond(self, signal: Signal, target: Target | None) -> Incident | None:
        if self.away:
            raise StoreUnavailable("a test", "it is away")
        return await response.on_signal(
            self.store, signal, target, region="eu", links=Links(), runbooks={}, clock=self.clock
        )

    def _observe(self, batch: Sequence[ProbeResult]) -> None:
        self.observed.extend(batch)
        if self.defective:
            raise ZeroDivisionError

    def _committed(self) -> None:
        self.commits += 1

    async def feed(self, *outcomes: bool, every_seconds: float = 10.0) -> None:
        """One result for each outcome, each in a batch of its own."""
        for ok in outcomes:
            self.clock.advance(every_seconds)
            await self.pipeline.handle([self.result(ok)])

    def result(self, ok: bool, target: str = "api") -> ProbeResult:
        made = result_at(self.clock.now(), monotonic_seconds=self.clock.monotonic(), target=target)
        return made if ok else replace(made, failure=REFUSED)

    async def read_open(self) -> list[Incident]:
        return await self.store.incidents(open_only=True)

    async def actions(self) -> list[PageAction]:
        rows = [row for incident in await self.store.incidents() for row in await self.store.outbox_rows(incident.id)]
        return [row.event.action for row in sorted(rows, key=lambda row: row.id)]


@pytest.fixture
def bench(store: Store) -> Bench:
    return Bench(store)


async def test_an_outage_becomes_an_incident_with_its_page_and_ends(bench: Bench) -> None:
    await bench.feed(True, False, False)
    assert await bench.store.incidents() == []
    await bench.feed(False)
    (incident,) = await bench.store.incidents(open_only=True)
    assert [one.rule for one in incident.firing] == ["outage"]
    assert [one.id for one in bench.opened] == [incident.id]
    await bench.feed(False, False, True, True)
    assert await bench.actions() == [PageAction.TRIGGER, PageAction.RESOLVE]
    assert bench.commits == 2
    assert len(bench.observed) == 8


async def test_what_comes_over_the_bus_is_handled_to_its_end(bench: Bench) -> None:
    bus = LocalBus(capacity_batches=8)
    for ok in (False, False, False):
        bench.clock.advance(10)
        await bus.publish([bench.result(ok)])
    await bus.close()
    await bench.pipeline.consume(bus)
    assert len(await bench.store.incidents(open_only=True)) == 1


@pytest.mark.parametrize("hours", [-5, 5])
async def test_a_step_of_the_wall_clock_neither_opens_nor_closes_anything(bench: Bench, hours: int) -> None:
    await bench.feed(False)
    bench.clock.step_wall(hours * 3600)
    await bench.feed(False, every_seconds=1)
    await bench.feed(False, every_seconds=1)
    assert await bench.store.incidents() == []  # three failures, but over 2 s and not over 20 s
    await bench.feed(False, False)
    assert len(await bench.store.incidents(open_only=True)) == 1
    bench.clock.step_wall(-hours * 3600)
    await bench.feed(True, True, every_seconds=1)
    assert len(await bench.store.incidents(open_only=True)) == 1  # two successes, but not over 10 s
    await bench.feed(True)
    assert await bench.store.incidents(open_only=True) == []


async def test_a_signal_that_the_store_does_not_take_is_kept_until_it_does(bench: Bench) -> None:
    bench.away = True
    await bench.feed(False, False, False, True, True, True)
    assert bench.pipeline.waiting_signals == 2  # that it fired, and that it ended
    bench.away = False
    await bench.pipeline.sync(bench.read_open)
    assert bench.pipeline.waiting_signals == 0
    assert await bench.actions() == [PageAction.TRIGGER, PageAction.RESOLVE]


async def test_a_defect_with_one_target_holds_up_no_page_of_another(store: Store) -> None:
    bench = Bench(store, [API, API.model_copy(update={"name": "web"})])
    third = bench.clock.now() + timedelta(seconds=30)
    async with store.write() as tx:  # so that the next episode of api has a key that is in use
        number, _ = await tx.allocate("other", "eu")
        await tx.save(replace(OPEN, id=number, target="other", dedup_key=dedup_key("eu", "api", 1, third)))
    for _ in range(3):
        bench.clock.advance(10)
        await bench.pipeline.handle([bench.result(False, name) for name in ("api", "web")])
    assert [incident.target for incident in bench.opened] == ["web"]
    assert bench.pipeline.waiting_signals == 1
    async with store._write() as connection:
        await connection.execute(sa.delete(incidents).where(incidents.c.target == "other"))
    await bench.pipeline.sync(bench.read_open)
    assert [incident.target for incident in bench.opened] == ["web", "api"]


async def test_a_defect_of_an_observer_stops_no_page(bench: Bench) -> None:
    bench.defective = True
    await bench.feed(False, False, False)
    assert len(await bench.read_open()) == 1


async def test_an_incident_that_was_resolved_by_hand_makes_room_for_a_new_episode(bench: Bench) -> None:
    await bench.feed(False, False, False)
    (first,) = await bench.pipeline.sync(bench.read_open)
    await response.resolve(bench.store, first.id, "ada", "cli")
    assert await bench.pipeline.sync(bench.read_open) == []
    await bench.feed(False, False)
    assert await bench.read_open() == []
    await bench.feed(False)
    (second,) = await bench.read_open()
    assert (second.episode, second.dedup_key) != (first.episode, first.dedup_key)


async def test_a_restart_neither_pages_again_nor_forgets(bench: Bench) -> None:
    await bench.feed(False, False, False)
    restarted = Bench(bench.store)
    restarted.clock.advance(60)
    await restarted.pipeline.restore(await restarted.read_open())
    await restarted.feed(False, False, False, False)
    assert restarted.opened == []
    await restarted.feed(True, True, True)
    (incident,) = await bench.store.incidents()
    assert incident.state is IncidentState.RESOLVED
    assert await bench.actions() == [PageAction.TRIGGER, PageAction.RESOLVE]


@pytest.mark.parametrize("gone_at_the_restart", [True, False])
async def test_the_incident_of_a_removed_target_is_closed(bench: Bench, gone_at_the_restart: bool) -> None:
    await bench.feed(False, False, False)
    if gone_at_the_restart:
        await Bench(bench.store, targets=()).pipeline.restore(await bench.read_open())
    else:
        await bench.pipeline.replace(())
    (incident,) = await bench.store.incidents()
    assert incident.state is IncidentState.RESOLVED
