"""The whole daemon on one core: 1,000 HTTP targets every 10 s, with rules, store, metrics and page.

    python -m benchmarks.daemon_1000_targets [--targets N] [--every SECONDS] [--seconds S]

Starts nginx and `monitor run` on loopback ports, both ends when it ends; the daemon and its workers are bound to one
core. It is scraped every 10 s meanwhile, as Prometheus would. Probes are counted by nginx, late ones by the daemon.
Printed, not judged: the figures belong to the machine.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

import httpx

from benchmarks.engine_1000_targets import cpu_seconds, resident_mb
from tests.acceptance.harness import MONITOR, environment
from tests.support.nginx import Nginx
from tests.support.process import Process, program
from tests.support.wait import free_port, until


def family(pid: int) -> list[int]:
    """The process and its descendants."""
    found = [pid]
    for process in found:
        for task in Path(f"/proc/{process}/task").iterdir():
            found += map(int, (task / "children").read_text().split())
    return found


def series(url: str, name: str) -> float:
    lines = httpx.get(f"{url}/metrics", timeout=30).text.splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.split("{")[0].split(" ")[0] == name)


def ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/-/ready").status_code == 200
    except httpx.TransportError:
        return False


def measure(folder: Path, targets: int, every_seconds: float, seconds: float) -> None:
    core = max(os.sched_getaffinity(0))
    with Nginx(folder / "nginx") as nginx:
        listed = folder / "urls.txt"
        listed.write_text("".join(f"{nginx.http_url}/t{number}\n" for number in range(targets)))
        url = f"http://127.0.0.1:{free_port()}"
        argv = [program("taskset"), "-c", str(core), MONITOR, "run", "--targets", str(listed)]
        argv += [
            "--every",
            f"{every_seconds:g}s",
            "--listen",
            url.removeprefix("http://"),
            "--data",
            str(folder / "data"),
        ]
        with Process(argv, folder / "daemon.log", environment()) as daemon:
            until(lambda: ready(url), seconds=60, what=f"the daemon: {daemon.output()}")
            time.sleep(every_seconds)  # every target was probed once
            pids = family(daemon.pid)
            served, late = nginx.served(), series(url, "monitor_probes_late_total")
            cpu, began, scrapes = sum(map(cpu_seconds, pids)), time.monotonic(), []
            while time.monotonic() - began < seconds:
                time.sleep(min(10.0, seconds))
                before = time.monotonic()
                series(url, "probe_success")
                scrapes.append(time.monotonic() - before)
            took = time.monotonic() - began
            cpu = sum(map(cpu_seconds, pids)) - cpu
            probes = nginx.served() - served
            late = series(url, "monitor_probes_late_total") - late
            dropped = series(url, "monitor_results_dropped_total")
            memory = sum(map(resident_mb, pids))
    expected = targets / every_seconds * took
    print(f"{targets} targets every {every_seconds:g} s for {took:.0f} s, the whole daemon bound to core {core}")
    print(f"  probes        {probes} ({probes / expected:.1%} of what is due)")
    print(f"  late probes   {late:.0f}")
    print(f"  results lost  {dropped:.0f}")
    print(f"  CPU           {cpu / took:.1%} of the core, {cpu / probes * 1e6:.0f} us a probe, scrapes included")
    print(f"  memory        {memory:.0f} MB in {len(pids)} processes")
    print(f"  a scrape      {max(scrapes) * 1000:.0f} ms at the most, as the client sees it")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--targets", type=int, default=1000)
    parser.add_argument("--every", type=float, default=10.0)
    parser.add_argument("--seconds", type=float, default=60.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="monitor-bench-") as folder:
        measure(Path(folder), options.targets, options.every, options.seconds)


if __name__ == "__main__":
    main()
