"""Drain the outbox: no page is lost, none is doubled.

The store keeps the order (only the oldest unfinished row of a dedup key can be leased) and the pages (a row leaves only
on the pager's own word). What is sent twice because an answer was lost is one alert to the pager, by its dedup key.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import traceback
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

import structlog

from alerts.pagerduty.event import Pager, PagerRefused, PagerRetry, Receipt
from monitor.clock import Clock
from monitor.errors import UserError
from monitor.store.outbox import Outbox, OutboxRow

log = structlog.get_logger()

FIRST_RETRY_SECONDS = 1.0
BASE_SECONDS = 5.0
CAP_SECONDS = 300.0
NO_ROUTE_SECONDS = 30.0  # looked up here, which costs nobody anything: soon after the settings are put right, it goes
STOP_SECONDS = 5.0
TIMER_SECONDS = 0.01  # timers may be early by a little, and then nothing would be due yet
MARK_PAUSES = (0.05, 0.2, 1.0, 3.0)  # between attempts to write down what became of a row

_random = random.SystemRandom().random


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryStats:
    """Counts since the start; `in_flight` is now."""

    sent: int = 0
    retries: int = 0
    parked: int = 0
    no_route: int = 0
    store_errors: int = 0
    in_flight: int = 0


class _NoRoute(PagerRetry):
    """The settings do not have the event's route (any more)."""


Outcome = Receipt | PagerRetry | PagerRefused


def delay_seconds(attempts: int, hint_seconds: float | None, chance: float) -> float:
    """How long to wait after the `attempts`-th attempt: one second at first, then full jitter under a growing ceiling.

    `chance` is uniform in [0, 1). A hint of the pager is a floor; a little jitter on it keeps keys apart.
    """
    ceiling = min(CAP_SECONDS, BASE_SECONDS * 2.0 ** min(attempts - 2, 16))
    delay = FIRST_RETRY_SECONDS if attempts <= 1 else max(FIRST_RETRY_SECONDS, chance * ceiling)
    if hint_seconds is None:
        return delay
    return max(delay, hint_seconds * (1 + chance / 10))


class Delivery:
    """Sends the rows of the outbox: many keys at once, each key's in order, until the pager takes or refuses them.

    `owner` must be of one start of one process, and no other owner's name may begin with it.
    `region` leaves the rows of other regions to their own daemons.
    """

    def __init__(
        self,
        store: Outbox,
        pagers: Mapping[str, Pager],
        clock: Clock,
        owner: str,
        *,
        region: str | None = None,
        chance: Callable[[], float] = _random,
        concurrency: int = 16,
        lease_seconds: float = 30.0,
        poll_seconds: float = 2.0,
    ) -> None:
        self._store = store
        self._pagers = dict(pagers)
        self._clock = clock
        self._owner = owner
        self._region = region
        self._chance = chance
        self._concurrency = concurrency
        self._lease_seconds = lease_seconds
        self._poll_seconds = poll_seconds
        self._sending: dict[asyncio.Task[None], int] = {}  # with the row that it sends
        self._retiring: set[asyncio.Task[None]] = set()
        self._woken = asyncio.Event()
        self._counts = DeliveryStats()

    @property
    def stats(self) -> DeliveryStats:
        return replace(self._counts, in_flight=len(self._sending))

    def wake(self) -> None:
        """Rows were committed: look at once. Those of other processes are found within `poll_seconds`."""
        self._woken.set()

    async def replace(self, pagers: Mapping[str, Pager]) -> None:
        """Take new routes, as of a reload, without waiting for sends in flight; drivers that went are closed after."""
        old, self._pagers = self._pagers, dict(pagers)
        self._woken.set()
        kept = set(map(id, self._pagers.values()))
        gone = [pager for pager in old.values() if id(pager) not in kept]
        retiring = asyncio.create_task(_retire(gone, tuple(self._sending)))
        self._retiring.add(retiring)
        retiring.add_done_callback(self._retiring.discard)
        if not self._sending:
            await retiring

    async def close(self) -> None:
        """Close the drivers; after `run` has ended."""
        await self.replace({})
        await asyncio.gather(*self._retiring)

    async def run(self, stop: asyncio.Event) -> None:
        """Send until `stop`, then what is due within a few seconds more. Leases are given back in any case."""
        relay = asyncio.create_task(self._wake_at(stop))
        try:
            while not stop.is_set():
                self._woken.clear()
                await self._fill(self._clock.now())
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._woken.wait(), self._poll_seconds)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STOP_SECONDS):
                    await self.drain_once()
        finally:
            relay.cancel()
            await self._let_go()

    async def drain_once(self) -> int:
        """One attempt at every row that is due now, and at those behind it in its key; the number of attempts."""
        now = self._clock.now()
        attempts = 0
        while True:
            attempts += await self._fill(now)
            if not self._sending:
                return attempts
            await asyncio.gather(*self._sending)

    async def _wake_at(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._woken.set()

    async def _fill(self, now: datetime) -> int:
        """Lease what is due into the free places. No fault of the store may end the sending."""
        free = self._concurrency - len(self._sending)
        if free <= 0:
            return 0
        try:
            rows = await self._store.lease(self._owner, now, self._lease_seconds, free, region=self._region)
        except Exception as error:
            self._count(store_errors=1)
            log.error("cannot read the outbox; trying again", error=_words(error))
            return 0
        # A lease that ended early, because the clock was set or the store was slow, is only extended by this: sent
        # again beside itself, a trigger could come to the pager after the resolve that follows it.
        fresh = [row for row in rows if row.id not in self._sending.values()]
        for row in fresh:
            task = asyncio.create_task(self._deliver(row))
            self._sending[task] = row.id
            task.add_done_callback(self._ended)
        return len(fresh)

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._sending[task]
        self._woken.set()

    async def _deliver(self, row: OutboxRow) -> None:
        outcome = await self._attempt(row)
        mark = self._mark(row, outcome)
        for pause in (*MARK_PAUSES, None):
            try:
                held = await mark()
            except Exception as error:
                self._count(store_errors=1)
                log.error("cannot write to the outbox", error=_words(error), row=row.id, giving_up=pause is None)
                if pause is None:
                    return  # the lease will end, and the row is sent again; to the pager it is the same alert
                await asyncio.sleep(pause)
            else:
                self._tell(row, outcome, held=held)
                return

    async def _attempt(self, row: OutboxRow) -> Outcome:
        pager = self._pagers.get(row.event.route)
        if pager is None:
            return _NoRoute(f"the settings have no route {row.event.route!r}", misconfigured=True)
        try:
            # Drivers have deadlines of their own; this one only keeps a defective one from outliving the lease.
            async with asyncio.timeout(self._lease_seconds * 0.8):
                return await pager.send(row.event)
        except (PagerRetry, PagerRefused) as outcome:
            return outcome
        except Exception as error:
            return PagerRetry(f"defect of the driver {type(pager).__name__}: {_words(error)}", misconfigured=True)

    def _mark(self, row: OutboxRow, outcome: Outcome) -> Callable[[], Awaitable[bool]]:
        now = self._clock.now()
        match outcome:
            case Receipt():
                return partial(self._store.mark_sent, row.id, self._owner, now, outcome.note)
            case PagerRefused():
                return partial(self._store.mark_parked, row.id, self._owner, now, outcome.reason)
            case _NoRoute():
                delay = NO_ROUTE_SECONDS
            case PagerRetry():
                delay = delay_seconds(row.attempts, outcome.after_seconds, self._chance())
        asyncio.get_running_loop().call_later(delay + TIMER_SECONDS, self._woken.set)  # and not only at the next look
        next_at = now + timedelta(seconds=delay)
        return partial(self._store.mark_retry, row.id, self._owner, next_at, outcome.reason)

    def _tell(self, row: OutboxRow, outcome: Outcome, *, held: bool) -> None:
        event = row.event
        told = log.bind(
            action=event.action.value,
            route=event.route,
            dedup_key=event.dedup_key,
            incident=row.incident_id,
            attempts=row.attempts,
        )
        if not held:
            told.warning("lost the lease of a page while sending it; its new holder sends it again")
        match outcome:
            case Receipt():
                self._count(sent=1)
                waited = (self._clock.now() - row.created_at).total_seconds()
                told.info("page sent", note=outcome.note, waited_seconds=round(waited, 3))
            case PagerRefused():
                self._count(parked=1)
                told.error("page refused for good; see to it by hand", reason=outcome.reason)
            case PagerRetry(misconfigured=True):
                self._count(retries=1, no_route=int(isinstance(outcome, _NoRoute)))
                told.error("page not taken; somebody must put this right, and it goes on trying", reason=outcome.reason)
            case PagerRetry():
                self._count(retries=1)
                told.warning("page not taken; trying again", reason=outcome.reason)

    def _count(self, **more: int) -> None:
        self._counts = replace(self._counts, **{name: getattr(self._counts, name) + n for name, n in more.items()})

    async def _let_go(self) -> None:
        sending = tuple(self._sending)
        for task in sending:
            task.cancel()
        await asyncio.gather(*sending, return_exceptions=True)
        try:
            await self._store.release_leases(self._owner)
        except Exception as error:
            log.error("cannot give leases back; they end by themselves", error=_words(error))


async def _retire(pagers: Sequence[Pager], users: Sequence[asyncio.Task[None]]) -> None:
    if users:
        await asyncio.wait(users)
    for pager in pagers:
        await pager.close()


def _words(error: Exception) -> str:
    """What may be shown of an error: of one that is not ours only its type and place; its text may quote a key."""
    if isinstance(error, UserError):
        return str(error)
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {frames[-1].name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{place}"
