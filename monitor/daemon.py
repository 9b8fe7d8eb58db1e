"""The daemon: start, reload, drain."""

from __future__ import annotations

import asyncio
import gc
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import structlog

from alerts.incident import Incident
from alerts.verdict import Signal
from dashboards.catalogue import LATENCY_BUCKETS_SECONDS
from monitor import past
from monitor.assembly import Plan, lease_owner, plan_of, refuse_fixed_changes, worker_count
from monitor.bus import Bus, LocalBus
from monitor.clock import Clock, SystemClock
from monitor.delivery import Delivery
from monitor.errors import UserError
from monitor.housekeeping import Housekeeping
from monitor.http_server import address_of, bind, serve
from monitor.links import Links
from monitor.live import Live
from monitor.lock import only_daemon_of
from monitor.logs import configure_logs
from monitor.metrics import Metrics
from monitor.pipeline import Pipeline
from monitor.response import on_signal
from monitor.settings import Settings
from monitor.store import History, Store, open_store
from monitor.web import Health, create_app
from monitor.web.access import Access
from probes.engine.loop import loop_factory
from probes.engine.pool import WorkerPool
from probes.share import compacted
from probes.target import Target

log = structlog.get_logger()

DRAIN_SECONDS = 10.0


def run_daemon(load: Callable[[], Settings]) -> int:
    """Run until SIGTERM or SIGINT; the exit code. `load` reads the settings, now and at each reload.

    Raises UserError when it cannot start.
    """
    plan = plan_of(_compacted(load()))
    configure_logs(plan.settings.logs.level, plan.settings.logs.format)
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        return runner.run(_run(plan, lambda: plan_of(_compacted(load()))))


def _compacted(settings: Settings) -> Settings:
    gc.collect()
    return settings.model_copy(update={"targets": compacted(settings.targets)})


async def _run(plan: Plan, load: Callable[[], Plan]) -> int:
    settings = plan.settings
    # What can be refused is refused first: the address, the folder, the store, the routes.
    with bind(settings.web.host, settings.web.port) as listener, only_daemon_of(settings.data):
        store = await open_store(settings.store_url.get_secret_value())
        try:
            daemon = Daemon(plan, load, store)
            app = create_app(
                metrics=daemon.metrics,
                live=daemon.live,
                store=store,
                health=daemon.health,
                reload=daemon.reload,
                clock=daemon.clock,
                region=settings.region,
                access=Access(
                    listen_host=settings.web.host,
                    external_url=settings.web.external_url,
                    expose_page=settings.web.expose_page,
                ),
                links=daemon.links,
            )
            async with serve(app, listener):
                log.info("listening", address=address_of(listener))
                return await daemon.run()
        finally:
            await store.close()


class Daemon:
    """The parts, and how they start, reload and end together."""

    def __init__(self, plan: Plan, load: Callable[[], Plan], store: Store, clock: Clock | None = None) -> None:
        self._plan = plan
        self._load = load
        self._store = store
        self.clock = clock or SystemClock()
        self._stop = asyncio.Event()
        self._started = asyncio.Event()
        self._reloading = asyncio.Lock()
        targets, region = plan.settings.targets, plan.settings.region
        self.metrics = Metrics(targets, region=region)
        self.live = Live(targets)
        self._history = History(store, self.clock, targets)
        self._delivery = Delivery(store, plan.pagers, self.clock, lease_owner(region), region=region)
        self._pipeline = Pipeline(
            targets,
            respond=self._respond,
            observers=(self._history.add, self.metrics.observe, self.live.observe),
            on_commit=self._delivery.wake,
            on_open=lambda incident: self.metrics.count_incident(incident.level),
        )
        self._pool = WorkerPool(targets, region, processes=worker_count(plan.settings), bounds=LATENCY_BUCKETS_SECONDS)
        self._housekeeping = Housekeeping(
            store=store,
            history=self._history,
            pipeline=self._pipeline,
            delivery=self._delivery,
            pool=self._pool,
            metrics=self.metrics,
            live=self.live,
            clock=self.clock,
            region=region,
            retention=lambda: self._plan.settings.retention,
        )
        self.metrics.attach(self._pool.tallies())
        self.health = Health({"workers": self._workers_missing})

    def _workers_missing(self) -> str | None:
        if self._stop.is_set():
            return "the daemon is ending"
        if not self._started.is_set():
            return "they have not begun to probe"
        stats = self._pool.stats()
        return None if stats.alive == stats.workers else f"{stats.alive} of {stats.workers} are alive"

    def links(self) -> Links:
        """Those of the settings in force."""
        return self._plan.links

    async def _respond(self, signal: Signal, target: Target | None) -> Incident | None:
        plan = self._plan
        return await on_signal(
            self._store,
            signal,
            target,
            region=plan.settings.region,
            links=plan.links,
            runbooks=plan.runbooks,
            clock=self.clock,
        )

    async def run(self) -> int:
        """Until SIGTERM, SIGINT or the end of a part; then drain. 0, or 1 when a part has failed."""
        async with self._signals():
            await self._start()
            bus = LocalBus()
            delivery_stop = asyncio.Event()
            tasks = [
                asyncio.create_task(self._forward(bus), name="results"),
                asyncio.create_task(self._pipeline.consume(bus), name="pipeline"),
                asyncio.create_task(self._housekeeping.run(), name="housekeeping"),
                asyncio.create_task(self._delivery.run(delivery_stop), name="delivery"),
            ]
            log.info("probing", region=self._plan.settings.region, targets=len(self._plan.settings.targets))
            failed = await self._until_stopped(tasks)
            await self._drain(tasks, delivery_stop)
        return 1 if failed else 0

    async def _start(self) -> None:
        # Probing first: what the store remembers may take its time to read, and results wait for it unread.
        await self._pool.start()
        try:
            await self._remember()
        except BaseException:
            await self._pool.stop(0)
            raise
        self._started.set()

    async def reload(self) -> None:
        """Read the settings again and take them over. Raises UserError, and changes nothing, when they are wrong."""
        await self._started.wait()  # the settings must not change under what starts with them
        async with self._reloading:
            try:
                if self._stop.is_set():
                    raise UserError("the daemon is ending; nothing is reloaded any more")
                plan = await asyncio.to_thread(self._load)
                refuse_fixed_changes(self._plan.settings, plan.settings)
                await self._take_over(plan)
            except UserError as error:
                self.metrics.set_reload(ok=False, at=self.clock.now())
                log.error("settings were not reloaded; the old ones stay", problems=error.problems)
                raise
            except Exception:
                self.metrics.set_reload(ok=False, at=self.clock.now())
                log.exception("a defect in the reload")
                raise
            self.metrics.set_reload(ok=True, at=self.clock.now())
            log.info("settings were reloaded", targets=len(plan.settings.targets))

    async def _take_over(self, plan: Plan) -> None:
        self._plan, settings = plan, plan.settings
        configure_logs(settings.logs.level, settings.logs.format)
        # New routes before the targets that name them; probes of new targets last, when all expect their results.
        await self._delivery.replace(plan.pagers)
        self._history.replace(settings.targets)
        self.metrics.replace(settings.targets)
        self.live.replace(settings.targets)
        await self._pipeline.replace(settings.targets)
        await self._pool.reload(settings.targets)
        self.metrics.attach(self._pool.tallies())

    async def _remember(self) -> None:
        """Go on where the last run of this daemon ended, however it ended."""
        region, targets = self._plan.settings.region, self._plan.settings.targets
        await self._store.release_leases(f"{region}/")
        await self._history.recover(region)
        for run in await self._store.latest_grades():
            if run.region == region:
                self.live.restore_grade(run.target, run.facts)
                self.metrics.restore_grade(run.target, region, run.facts, run.last_at)
        await past.preload(self._pipeline.correlator, self._store, targets, region, self.clock)
        incidents = await self._store.incidents(open_only=True, limit=100_000)
        await self._pipeline.restore([incident for incident in incidents if incident.region == region])
        self.metrics.set_reload(ok=True, at=self.clock.now())

    @asynccontextmanager
    async def _signals(self) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()
        reloads: set[asyncio.Task[None]] = set()

        async def reload() -> None:
            with suppress(Exception):  # logged and counted where it was raised
                await self.reload()

        def on_hangup() -> None:
            task = asyncio.create_task(reload(), name="reload")
            reloads.add(task)
            task.add_done_callback(reloads.discard)

        handlers = {signal.SIGTERM: self._stop.set, signal.SIGINT: self._stop.set, signal.SIGHUP: on_hangup}
        for number, handler in handlers.items():
            loop.add_signal_handler(number, handler)
        try:
            yield
        finally:
            for number in handlers:
                loop.remove_signal_handler(number)

    async def _forward(self, bus: Bus) -> None:
        try:
            async for batch in self._pool.batches():
                await bus.publish(batch)
        finally:
            await bus.close()

    async def _until_stopped(self, tasks: list[asyncio.Task[None]]) -> bool:
        """True when a part ended by itself, which none should."""
        stopped = asyncio.create_task(self._stop.wait(), name="stop")
        done, _ = await asyncio.wait([stopped, *tasks], return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        failed = [task for task in tasks if task in done]
        for task in failed:
            log.error("a part of the daemon has failed", part=task.get_name(), exc_info=task.exception())
        return bool(failed)

    async def _drain(self, tasks: list[asyncio.Task[None]], delivery_stop: asyncio.Event) -> None:
        """Probes in flight end, their results are judged and written, and what is due in the outbox is sent."""
        log.info("ending: waiting for the probes in flight")
        self._stop.set()
        results, pipeline, housekeeping, delivery = tasks
        await self._pool.stop(DRAIN_SECONDS)
        _, late = await asyncio.wait([results, pipeline], timeout=DRAIN_SECONDS)
        housekeeping.cancel()
        await asyncio.wait([housekeeping])
        await self._pipeline.take([])
        if not await self._history.close():
            log.error("the last results could not be written", results=self._history.stats().buffered)
        delivery_stop.set()
        await asyncio.wait([delivery])
        await self._delivery.close()
        for task in late:
            task.cancel()
        log.info("ended", signals_not_taken=self._pipeline.waiting_signals)
