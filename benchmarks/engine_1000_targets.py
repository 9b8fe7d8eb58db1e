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

from probes.engine.pool import WorkerPool
from probes.options import TlsOptions
from probes.result import ProbeResult
from probes.target import Target
from tests.support.nginx import Nginx


def cpu_seconds(pid: int) -> float:
    """User and system time of a running process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mb(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def quantile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


async def measure(targets: Sequence[Target], seconds: float) -> None:
    results: list[ProbeResult] = []
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
    late, memory = pool.stats().late_probes - late_before, resident_mb(pid)
    await pool.stop()
    await reading
    lag_ms = [result.late_seconds * 1000 for result in measured]
    answer_ms = [result.duration_seconds * 1000 for result in measured]
    print(f"{len(measured)} probes of {len(targets)} targets every {every_seconds:g} s in {took:.1f} s, one worker")
    print(f"failed           {sum(not result.ok for result in measured)}")
    print(f"late (> 100 ms)  {late}")
    print(
        f"start lag ms     p50 {quantile(lag_ms, 0.5):.2f}   p99 {quantile(lag_ms, 0.99):.2f}   max {max(lag_ms):.2f}"
    )
    print(f"duration ms      p50 {quantile(answer_ms, 0.5):.2f}   p99 {quantile(answer_ms, 0.99):.2f}")
    print(f"CPU              {cpu / took:.1%} of a core, {cpu / len(measured) * 1e6:.0f} us a probe")
    print(f"memory           {memory:.0f} MB")


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
