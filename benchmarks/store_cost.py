"""What the store costs: writing history, counting minutes, and being asked for news while nothing happens.

Run: python -m benchmarks.store_cost
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from monitor.clock import ManualClock
from monitor.store import History, Store, open_store, sqlite_url
from probes.result import Clock, HttpFacts, Phase, ProbeResult
from probes.target import Target

TARGETS = 200
SECONDS = 360
FLUSH_SECONDS = 2
ASKED = 200
LATER = datetime(2026, 1, 2, tzinfo=UTC)


def results(at: datetime) -> list[ProbeResult]:
    """One second of targets that are probed every second."""
    return [
        ProbeResult(
            target=f"service-{number}",
            region="bench",
            kind="http",
            started_at=at + timedelta(microseconds=number * 5000),
            monotonic_seconds=0.0,
            duration_seconds=0.0105 + number * 1e-4,
            phases=((Phase.RESOLVE, 1e-6), (Phase.CONNECT, 4e-4), (Phase.PROCESSING, 0.01), (Phase.TRANSFER, 1e-5)),
            clock=Clock.KERNEL,
            address="192.0.2.1",
            http=HttpFacts(status_code=200, version="1.1", redirects=0, body_bytes=35, content_length=35),
        )
        for number in range(TARGETS)
    ]


def targets() -> list[Target]:
    slo = {"availability": "99.9%", "latency": {"p99": "400ms"}}
    return [Target.model_validate({"name": f"service-{n}", "url": "http://x", "slo": slo}) for n in range(TARGETS)]


async def history(store: Store) -> None:
    """Printed for each flush that writes results alone, and for those that store a minute on top."""
    clock = ManualClock()
    kept = History(store, clock, targets())
    plain: list[float] = []
    with_minute: list[float] = []
    for second in range(0, SECONDS, FLUSH_SECONDS):
        for each in range(FLUSH_SECONDS):
            kept.add(results(clock.now() + timedelta(seconds=each)))
        clock.advance(FLUSH_SECONDS)
        began = time.process_time()
        await kept.flush()
        spent = time.process_time() - began
        (with_minute if second % 60 + FLUSH_SECONDS == 10 and second > 60 else plain).append(spent)
    rows = TARGETS * FLUSH_SECONDS
    usual = sorted(plain)[len(plain) // 2]
    print(f"a raw result written and counted      {usual / rows * 1e6:>8.1f} µs (flushes of {rows})")
    print(f"a minute of one target stored         {(min(with_minute) - usual) / TARGETS * 1e6:>8.1f} µs")
    await kept.close()


async def idle(store: Store) -> None:
    asked = {
        "lease of pages": lambda: store.lease("bench", LATER, 30),
        "open incidents": lambda: store.incidents(open_only=True),
        "outbox figures": lambda: store.outbox_stats(LATER),
    }
    for what, ask in asked.items():
        await ask()
        began = time.process_time()
        for _ in range(ASKED):
            await ask()
        print(f"{what + ', none there':<38}{(time.process_time() - began) / ASKED * 1e6:>8.1f} µs")


async def measure(folder: str) -> None:
    store = await open_store(sqlite_url(Path(folder) / "monitor.sqlite"))
    try:
        await history(store)
        await idle(store)
    finally:
        await store.close()


def main() -> None:
    print(f"SQLite, {TARGETS} targets every second for {SECONDS} s; CPU of the process\n")
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(folder))


if __name__ == "__main__":
    main()
