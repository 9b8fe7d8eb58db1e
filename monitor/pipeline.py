"""The one path of a result: history, metrics, rules, incident. Nothing flows back up."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable

import structlog

from alerts.correlate import Correlator
from alerts.incident import Incident, IncidentState
from alerts.verdict import Signal
from monitor.bus import Batch, Bus
from monitor.store.errors import StoreUnavailable
from probes.target import Target

log = structlog.get_logger()

Respond = Callable[[Signal, Target | None], Awaitable[Incident | None]]
"""One transaction for one signal: `monitor.response.on_signal` with everything but these two given."""


Observe = Callable[[Batch], None]
"""Is shown every batch, in order: history, metrics, the live view. Must not wait; what it raises is logged."""


class Pipeline:
    """Feeds every batch to the observers and the rules, and every signal to its incident.

    A signal that the store could not take is kept, in order, and tried again: rules change their mind once, so a
    signal that is lost would be a page that is lost. One that fails by a defect holds up only its own target.
    """

    def __init__(
        self,
        targets: Iterable[Target],
        *,
        respond: Respond,
        observers: Iterable[Observe],
        on_commit: Callable[[], None],
        on_open: Callable[[Incident], None],
    ) -> None:
        self._targets = {target.name: target for target in targets}
        self._respond = respond
        self._observers = tuple(observers)
        self._on_commit = on_commit
        self._on_open = on_open
        self._correlator = Correlator(self._targets.values())
        self._pending: deque[Signal] = deque()
        self._open: dict[str, int] = {}  # the incident of each target, as far as this process knows
        self._lock = asyncio.Lock()

    @property
    def correlator(self) -> Correlator:
        """To be preloaded before the first batch."""
        return self._correlator

    async def restore(self, open_incidents: Iterable[Incident]) -> None:
        """Before the first batch: what fires according to the store. Incidents of targets that are gone are closed."""
        for incident in open_incidents:
            self._open[incident.target] = incident.id
            firing = {one.rule: one.level for one in incident.firing}
            gone = self._correlator.restore(incident.target, firing)
            await self.take([gone] if gone else [])

    @property
    def waiting_signals(self) -> int:
        """Signals that the store has not taken yet."""
        return len(self._pending)

    async def consume(self, bus: Bus) -> None:
        """Until the bus is closed and empty."""
        async for batch in bus.batches():
            await self.handle(batch)

    async def handle(self, batch: Batch) -> None:
        for observe in self._observers:
            try:
                observe(batch)
            except Exception:  # a defect in what only looks on must not end the paging
                log.exception("an observer of results failed", results=len(batch))
        await self.take(self._correlator.observe(batch))

    async def take(self, signals: Iterable[Signal]) -> None:
        """Give signals to their incidents, after those that still wait."""
        self._pending.extend(signals)
        if self._pending:
            async with self._lock:
                await self._settle()

    async def replace(self, targets: Iterable[Target]) -> None:
        """Other settings: targets that are gone have their incidents closed."""
        self._targets = {target.name: target for target in targets}
        await self.take(self._correlator.replace(self._targets.values()))

    async def sync(self, read_open: Callable[[], Awaitable[list[Incident]]]) -> list[Incident]:
        """Settle what waits, and see what people did to the store from elsewhere: the incidents that are open now.

        An incident that was resolved by hand resets the rules of its target: if the trouble goes on, that is a new
        episode. Raises StoreUnavailable.
        """
        async with self._lock:
            await self._settle()
            incidents = await read_open()
            still_open = {incident.target: incident.id for incident in incidents}
            waiting = {signal.target for signal in self._pending}
            for target in self._open.keys() - still_open.keys() - waiting:
                self._correlator.reset(target)
                log.info("incident was resolved by hand; its rules start afresh", target=target)
            self._open = {name: number for name, number in self._open.items() if name in waiting} | still_open
        return incidents

    async def _settle(self) -> None:
        held_up: set[str] = set()
        for signal in tuple(self._pending):
            if signal.target in held_up:
                continue
            try:
                incident = await self._respond(signal, self._targets.get(signal.target))
            except StoreUnavailable as error:
                log.error("the store does not take an incident; trying again", target=signal.target, error=str(error))
                return
            except Exception:
                log.exception("a defect keeps an incident from the store; trying again", target=signal.target)
                held_up.add(signal.target)
                continue
            self._pending.remove(signal)
            self._taken(signal, incident)

    def _taken(self, signal: Signal, incident: Incident | None) -> None:
        if incident is not None and incident.id > self._open.get(signal.target, 0):
            self._on_open(incident)
            log.warning("incident opened", incident=incident.id, target=incident.target, title=incident.title)
        if incident is not None and incident.state is IncidentState.RESOLVED:
            log.info("incident resolved", incident=incident.id, target=incident.target)
        if signal.all_clear:
            self._open.pop(signal.target, None)
        elif incident is not None:  # None: a person has resolved it, which `sync` is still to see
            self._open[signal.target] = incident.id
        self._on_commit()
