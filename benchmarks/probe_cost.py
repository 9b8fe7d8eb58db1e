"""CPU a probe: the whole daemon against prometheus-blackbox-exporter, in one run.

    python -m benchmarks.probe_cost [--targets N] [--every SECONDS] [--rounds R] [--seconds S] [--scheme http|https]

Rounds alternate between the exporter, asked at the same rate by a light client whose CPU is not counted, and `monitor
run` over the same addresses, with its rules, store and metrics; each makes a new connection for every probe. Probes are
counted by the server (nginx), CPU by the kernel, children included. HTTPS is verified against an authority of our own.

`--self-check` measures a prober that burns a known time for each probe, in a child process.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.support.blackbox import Blackbox, PacedClient, while_asking
from benchmarks.support.daemon import Daemon, target_list
from benchmarks.support.processes import Elsewhere, cpu_seconds, family_cpu_seconds
from benchmarks.support.report import checked, progress, table
from tests.support.nginx import Nginx
from tests.support.process import Process

GOALS = {"http": "5x", "https": "1.6x (aim 1.8x)"}
WARM_UP_SECONDS = 2.0
KNOWN_MICROSECONDS = 3000


@dataclass(slots=True)
class Meter:
    """Called at the beginning and at the end of a window: what was served and spent in it."""

    nginx: Nginx
    cpu: Callable[[], float]
    seen: list[tuple[float, int, float]] = field(default_factory=list)

    def __call__(self) -> None:
        self.seen.append((time.monotonic(), self.nginx.served(), self.cpu()))

    def cost(self, rate: float) -> Cost:
        (began, served, cpu), (ended, served_then, cpu_then) = self.seen
        probes = served_then - served
        if probes == 0:
            raise SystemExit("no probe reached the server")
        return Cost((cpu_then - cpu) / probes * 1e6, probes / rate / (ended - began))


@dataclass(frozen=True, slots=True)
class Cost:
    microseconds: float  # of CPU a probe
    share: float  # of the probes that were due


def of_blackbox(blackbox: Blackbox, nginx: Nginx, urls: list[str], options: argparse.Namespace) -> Cost:
    rate = len(urls) / options.every
    meter = Meter(nginx, lambda: cpu_seconds(blackbox.pid))
    while_asking(PacedClient(blackbox.port, urls, rate), WARM_UP_SECONDS, options.seconds, meter)
    return meter.cost(rate)


def of_daemon(folder: Path, nginx: Nginx, urls: list[str], options: argparse.Namespace) -> Cost:
    listed = target_list(folder / "urls.txt", urls)
    arguments = ["--targets", listed, "--every", f"{options.every:g}s", "--ca-file", str(nginx.ca_file)]
    with Daemon(folder, *arguments) as daemon:
        time.sleep(options.every)
        return watched(Meter(nginx, daemon.cpu_seconds), options.seconds, len(urls) / options.every)


def watched(meter: Meter, seconds: float, rate: float) -> Cost:
    time.sleep(WARM_UP_SECONDS)
    meter()
    time.sleep(seconds)
    meter()
    return meter.cost(rate)


def compare(folder: Path, scheme: str, options: argparse.Namespace) -> list[list[str]]:
    """The table's rows for one scheme."""
    costs: dict[str, list[Cost]] = {"blackbox_exporter": [], "monitor run": []}
    with Nginx(folder / "nginx") as nginx, Blackbox(folder / "blackbox", nginx.ca_file) as blackbox:
        base = nginx.http_url if scheme == "http" else nginx.https_url.replace("localhost", "127.0.0.1")
        urls = [f"{base}/t{number}" for number in range(options.targets)]
        for number in range(options.rounds):
            measures = {
                "blackbox_exporter": lambda: of_blackbox(blackbox, nginx, urls, options),
                "monitor run": lambda: of_daemon(folder / f"round-{number}", nginx, urls, options),  # noqa: B023
            }
            for name in list(measures) if number % 2 == 0 else reversed(measures):
                cost = measures[name]()
                costs[name].append(cost)
                progress(f"{scheme} round {number + 1}  {name}  {cost.microseconds:.0f} us, {cost.share:.1%} of due")
    medians = {name: statistics.median(cost.microseconds for cost in some) for name, some in costs.items()}
    ratio = medians["blackbox_exporter"] / medians["monitor run"]
    return [
        [
            f"{scheme.upper()}  {name}",
            f"{medians[name]:.0f}",
            " ".join(f"{cost.microseconds:.0f}" for cost in some),
            f"{min(cost.share for cost in some):.1%}",
            f"{ratio:.2f}x" if name == "monitor run" else "",
            GOALS[scheme] if name == "monitor run" else "",
        ]
        for name, some in costs.items()
    ]


def check_itself(folder: Path, options: argparse.Namespace) -> int:
    with Nginx(folder / "nginx") as nginx:
        urls = [f"{nginx.http_url}/t{number}" for number in range(20)]
        argv = [sys.executable, "-m", "benchmarks.support.stand_in", target_list(folder / "urls.txt", urls)]
        with Process([*argv, str(KNOWN_MICROSECONDS)], folder / "stand-in.log") as known:
            cost = watched(Meter(nginx, lambda: family_cpu_seconds(known.pid)), options.seconds, 20)
    right = abs(cost.microseconds / KNOWN_MICROSECONDS - 1) < 0.03
    return checked(
        [
            (f"{KNOWN_MICROSECONDS} us a probe are measured as {cost.microseconds:.0f}", right),
            (f"20 probes a second are counted as {cost.share:.1%} of that", 0.95 < cost.share < 1.05),
        ]
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--targets", type=int, default=200)
    parser.add_argument("--every", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--scheme", choices=list(GOALS), help="only this one")
    parser.add_argument("--self-check", action="store_true")
    options = parser.parse_args()
    elsewhere = Elsewhere()
    with tempfile.TemporaryDirectory(prefix="monitor-bench-") as name:
        folder = Path(name)
        if options.self_check:
            return check_itself(folder, options)
        schemes = [options.scheme] if options.scheme else list(GOALS)
        rows = [row for scheme in schemes for row in compare(folder / scheme, scheme, options)]
    table(
        f"CPU a probe: {options.targets} targets at {options.every:g} s; {options.rounds} x {options.seconds:g} s",
        ["", "us, median", "rounds", "of due", "ratio", "goal"],
        rows,
        elsewhere,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
