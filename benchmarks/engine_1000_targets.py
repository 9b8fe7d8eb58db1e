"""1,000 HTTP targets every 10 s in one probe worker on one core: late probes, start lag, CPU a probe.

    python -m benchmarks.engine_1000_targets [--targets N] [--every SECONDS] [--seconds S] [--https]

Starts nginx on loopback ports and ends it. Start lag is how much after its due time a probe began; a probe is late when
that is more than 100 ms. Printed, not judged: the figures belong to the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from benchmarks.support.processes import Elsewhere, cpu_seconds, memory
from benchmarks.support.report import spread, table
from probes.engine.pool import WorkerPool
from probes.options import TlsOptions
from probes.result import ProbeResult
from probes.target import Target
from tests.support.nginx import Nginx


async def measure(targets: Sequence[Target], seconds: float) -> None:
    results: list[ProbeResult] = []
    elsewhere = Elsewhere()
    pool = WorkerPool(targets, "bench")

    async def read() -> None:
        async for batch in pool.batches():
            results.extend(batch)

    await pool.start()
    reading = asyncio.create_task(read())
    (pid,) = pool.pids()
    os.sched_setaffinity(pid, {min(os.sched_getaffinity(pid))})
    every_seconds = targets[0].every.total_seconds()
    await asyncio.sleep(min(every_seconds, 10))  # every target was probed once: names, contexts and code are warm
    warm = len(results)
    late_before, cpu_before, began = pool.stats().late_probes, cpu_seconds(pid), time.monotonic()
    await asyncio.sleep(seconds)
    measured = results[warm:]
    cpu, took = cpu_seconds(pid) - cpu_before, time.monotonic() - began
    late, held = pool.stats().late_probes - late_before, memory([pid])
    await pool.stop()
    await reading
    table(
        f"{len(targets)} targets every {every_seconds:g} s in one worker on one core: {took:.0f} s",
        ["", "p50", "p99", "max"],
        [
            ["start lag ms", *spread([result.late_seconds for result in measured]).ms()],
            ["duration ms", *spread([result.duration_seconds for result in measured]).ms()],
            ["probes", str(len(measured)), "", ""],
            ["failed", str(sum(not result.ok for result in measured)), "", ""],
            ["late by over 100 ms", str(late), "", ""],
            ["CPU us a probe", f"{cpu / len(measured) * 1e6:.0f}", "", ""],
            ["CPU of the core", f"{cpu / took:.1%}", "", ""],
            ["RSS MB", f"{held.resident_bytes / 1e6:.0f}", "", ""],
        ],
        elsewhere,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--targets", type=int, default=1000)
    parser.add_argument("--every", type=float, default=10.0)
    parser.add_argument("--seconds", type=float, default=25.0)
    parser.add_argument("--https", action="store_true")
    options = parser.parse_args()
    every = timedelta(seconds=options.every)
    with tempfile.TemporaryDirectory() as folder, Nginx(Path(folder)) as nginx:
        base = nginx.https_url.replace("localhost", "127.0.0.1") if options.https else nginx.http_url
        tls = TlsOptions(ca_file=nginx.ca_file)
        targets = [
            Target(name=f"t{i}", url=f"{base}/t{i}", every=every, timeout=min(every, timedelta(seconds=5)), tls=tls)
            for i in range(options.targets)
        ]
        asyncio.run(measure(targets, options.seconds))


if __name__ == "__main__":
    main()
