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

from benchmarks.support.daemon import Daemon, target_list
from benchmarks.support.processes import Elsewhere, memory
from benchmarks.support.report import spread, table
from tests.support.nginx import Nginx


def measure(folder: Path, targets: int, every_seconds: float, seconds: float) -> None:
    core, elsewhere = max(os.sched_getaffinity(0)), Elsewhere()
    with Nginx(folder / "nginx") as nginx:
        listed = target_list(folder / "urls.txt", [f"{nginx.http_url}/t{number}" for number in range(targets)])
        with Daemon(folder, "--targets", listed, "--every", f"{every_seconds:g}s", core=core) as daemon:
            time.sleep(every_seconds)  # every target was probed once
            served, late = nginx.served(), daemon.series("monitor_probes_late_total")
            cpu, began, scrapes = daemon.cpu_seconds(), time.monotonic(), []
            while time.monotonic() - began < seconds:
                time.sleep(min(10.0, seconds))
                before = time.monotonic()
                daemon.series("probe_success")
                scrapes.append(time.monotonic() - before)
            took = time.monotonic() - began
            cpu = daemon.cpu_seconds() - cpu
            probes = nginx.served() - served
            late = daemon.series("monitor_probes_late_total") - late
            dropped = daemon.series("monitor_results_dropped_total")
            held = memory(daemon.family())
    expected = targets / every_seconds * took
    table(
        f"{targets} targets every {every_seconds:g} s, the whole daemon on core {core}: {took:.0f} s",
        ["", "measured"],
        [
            ["probes, of due", f"{probes / expected:.1%}"],
            ["late probes", f"{late:.0f}"],
            ["results lost", f"{dropped:.0f}"],
            ["CPU us a probe, scrapes included", f"{cpu / probes * 1e6:.0f}"],
            ["CPU of the core", f"{cpu / took:.1%}"],
            [f"PSS MB, {held.processes} processes", f"{held.proportional_bytes / 1e6:.0f}"],
            ["a scrape ms at the most, as its client sees it", spread(scrapes).ms(0)[2]],
        ],
        elsewhere,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--targets", type=int, default=1000)
    parser.add_argument("--every", type=float, default=10.0)
    parser.add_argument("--seconds", type=float, default=30.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="monitor-bench-") as folder:
        measure(Path(folder), options.targets, options.every, options.seconds)


if __name__ == "__main__":
    main()
