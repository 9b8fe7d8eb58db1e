"""What a scrape of 10,000 HTTP targets costs, and what counting costs a probe worker.

    python -m benchmarks.scrape_10000 [--targets N] [--rounds N] [--https]

Between any two scrapes every target is probed once, so that all values are new. The counts stand in shared memory, as
those of a worker do; each scrape goes piece by piece to where nobody keeps it, as it goes to a server. CPU time is that
of the whole process. The same by prometheus_client, from the collector that the renderer is tested against, is for
comparison. Printed, not judged: the figures belong to the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import random
import statistics
import time
import tracemalloc
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest as text_of
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics_of

from dashboards.catalogue import LATENCY_BUCKETS_SECONDS
from monitor.metrics import Metrics
from monitor.metrics.transfer import compressor, gathered, gzipped
from probes.engine.tally import Rows, Tally
from probes.result import FailureReason, ProbeResult
from probes.target import Target
from tests.support import fleet
from tests.support.reference import Reference

REGION = "eu-west"
OPENMETRICS = "application/openmetrics-text;version=1.0.0"
TARGET_NAME = "service-{:05d}.example"


def made(count: int, scheme: str) -> list[Target]:
    return [
        Target(name=TARGET_NAME.format(number), url=f"{scheme}://{TARGET_NAME.format(number)}/health")
        for number in range(count)
    ]


def probed(targets: Sequence[Target], chance: random.Random) -> list[ProbeResult]:
    """One probe of each; one in a hundred fails."""
    now = time.monotonic()
    like = "search" if targets[0].url.startswith("http:") else "payments"
    found = []
    for target in targets:
        fails = FailureReason.STATUS if chance.random() < 0.01 else None
        one = fleet.result(like, seconds=chance.lognormvariate(-2.5, 0.8), fails=fails, monotonic=now, region=REGION)
        found.append(replace(one, target=target.name))
    return found


class Scraped:
    """Targets whose results a tally counts, in shared memory, and metrics over it."""

    def __init__(self, targets: Sequence[Target], rounds: int) -> None:
        self.targets = targets
        self._chance = random.Random(1)
        self.tally, self.rows = Tally.make(LATENCY_BUCKETS_SECONDS, shared=True), Rows().assign(t.name for t in targets)
        for target in targets:
            self.tally.claim(self.rows[target.name], target)
        self.metrics = Metrics(targets, region=REGION)
        self.metrics.attach([(self.tally, self.rows)])
        self.seen: list[ProbeResult] = []
        self.record_microseconds: list[float] = []
        for _ in range(rounds):
            self.probe()

    def probe(self) -> None:
        self.seen = probed(self.targets, self._chance)
        began = time.process_time()
        for result in self.seen:
            self.tally.record(self.rows[result.target], result)
        self.record_microseconds.append((time.process_time() - began) / len(self.seen) * 1e6)
        self.metrics.observe(self.seen)

    def cost(self, take: Callable[[], Iterable[bytes]], rounds: int) -> tuple[list[float], int]:
        """(CPU ms of each scrape, bytes of the last)."""
        spent = []
        for _ in range(rounds):
            self.probe()
            gc.collect()
            began = time.process_time()
            size_bytes = sum(map(len, take()))
            spent.append((time.process_time() - began) * 1e3)
        return spent, size_bytes


def scrapes(metrics: Metrics) -> dict[str, Callable[[], Iterable[bytes]]]:
    return {
        "text": lambda: gathered(metrics.scrape()[0]),
        "text, gzip": lambda: gathered(gzipped(metrics.scrape()[0])),
        "OpenMetrics": lambda: gathered(metrics.scrape(OPENMETRICS)[0]),
        "OpenMetrics, gzip": lambda: gathered(gzipped(metrics.scrape(OPENMETRICS)[0])),
    }


def by_the_library(scraped: Scraped) -> dict[str, Callable[[], Iterable[bytes]]]:
    """Reads as few results as make every series be there."""
    reference, registry = Reference(scraped.targets, REGION), CollectorRegistry()
    reference.observe(scraped.seen)
    reference.now = time.monotonic()
    registry.register(reference)
    return {
        "text by prometheus_client": lambda: [text_of(registry)],
        "OpenMetrics by prometheus_client": lambda: [openmetrics_of(registry)],
    }


def bytes_per_target(targets: Sequence[Target]) -> tuple[float, float]:
    """(what metrics hold of a target after a scrape, what a row of a tally takes)."""
    tally = Tally.make(LATENCY_BUCKETS_SECONDS, shared=True)
    results = probed(targets, random.Random(1))
    rows = Rows().assign(target.name for target in targets)
    for target in targets:
        tally.claim(rows[target.name], target)
    gc.collect()
    tracemalloc.start()
    metrics = Metrics(targets, region=REGION)
    metrics.attach([(tally, rows)])
    metrics.observe(results)
    for _ in metrics.scrape()[0]:
        pass
    gc.collect()
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return held / len(targets), 8 * len(list(tally.columns))


async def held_up_ms(take: Callable[[], Iterable[bytes]]) -> list[float]:
    """How late each turn of the loop was while a thread rendered: wall time, on a busy machine others' too."""

    def scrape() -> None:
        for _ in take():
            pass

    rendering = asyncio.create_task(asyncio.to_thread(scrape))
    late = []
    while not rendering.done():
        before = time.perf_counter()
        await asyncio.sleep(0.001)
        late.append((time.perf_counter() - before - 0.001) * 1e3)
    await rendering
    return sorted(late)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--targets", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--https", action="store_true")
    options = parser.parse_args()
    targets = made(options.targets, "https" if options.https else "http")
    scraped = Scraped(targets, rounds=3)
    lines = sum(piece.count(b"\n") for piece in scraped.metrics.scrape()[0])
    print(
        f"{len(targets)} targets, {lines / len(targets):.1f} lines each, {options.rounds} scrapes of each kind, "
        f"gzip by {type(compressor()).__module__}\n"
    )
    print(f"{'a scrape':<36}{'CPU ms: least':>14}{'median':>10}{'MB':>9}")
    for name, take in scrapes(scraped.metrics).items():
        spent, size_bytes = scraped.cost(take, options.rounds)
        print(f"{name:<36}{min(spent):>14.0f}{statistics.median(spent):>10.0f}{size_bytes / 1e6:>9.1f}")
    for name, take in by_the_library(scraped).items():
        spent, size_bytes = scraped.cost(take, 1)
        print(f"{name:<36}{min(spent):>14.0f}{'':>10}{size_bytes / 1e6:>9.1f}")
    late = asyncio.run(held_up_ms(scrapes(scraped.metrics)["text, gzip"]))
    held, row = bytes_per_target(targets)
    print(f"\nthe event loop meanwhile    late by {statistics.median(late):.1f} ms (median), {late[-1]:.1f} ms (most)")
    print(f"Tally.record                {min(scraped.record_microseconds):.1f} us a result")
    print(f"memory of a target          {held:.0f} bytes of metrics, {row} bytes of a tally")


if __name__ == "__main__":
    main()
