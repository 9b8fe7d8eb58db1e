"""How honest the clock is: time to first byte as the daemon stored it, minus what the server itself knows that it took.

    python -m benchmarks.ttfb_error [--rates 200,1000] [--seconds S] [--sleep-ms MS] [--body-ms MS] [--no-blackbox]

The server sleeps for 100 ms and has each request's arrival and each answer's departure stamped by the kernel
(benchmarks/support/stamping_server.py), so that its own lag is in its record and what is left is the prober's error.
The daemon probes every target once a second; its results are read from its store. In the rows "supervisor busy" its
parent process is stopped (SIGSTOP, SIGCONT) for 50 ms of every 200 ms while a core is kept busy in its place, which is
what judging, storing and serving look like to the workers at their worst. blackbox_exporter is asked at the same rates.

`--self-check` has a prober with a known error measured, and sees that the parent is truly held.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.support.blackbox import Answer, Blackbox, PacedClient, while_asking
from benchmarks.support.busy import busy
from benchmarks.support.daemon import Daemon, target_list
from benchmarks.support.match import Pair, Probe, pairs
from benchmarks.support.processes import Elsewhere
from benchmarks.support.report import OTHERS, checked, progress, quantile, spread, table
from benchmarks.support.stamped import StampingServer
from benchmarks.support.stand_in import timed_ask
from monitor.store.results import RawResult
from tests.support.process import Process, program

WARM_UP_SECONDS = 4.0
GOALS_MS = {(1000, False): 1.0, (1000, True): 2.0}
KNOWN_ERRORS_MS = (0.0, 5.0)


@dataclass(frozen=True, slots=True)
class Window:
    """Unix times."""

    began: float
    ended: float

    def holds(self, at: float) -> bool:
        return self.began <= at < self.ended

    @property
    def seconds(self) -> float:
        return self.ended - self.began


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    prober: str
    rate: int
    held: bool  # the supervisor was
    due: float
    failed: int
    elsewhere: float
    pairs: list[Pair]

    def row(self) -> list[str]:
        errors = [abs(pair.error_seconds) for pair in self.pairs]
        trusted = [abs(pair.error_seconds) for pair in self.pairs if not pair.probe.suspect]
        bias = quantile([pair.error_seconds for pair in self.pairs], 0.5) if self.pairs else math.nan
        known = [pair.probe.suspect for pair in self.pairs if pair.probe.suspect is not None]
        goal = GOALS_MS.get((self.rate, self.held)) if self.prober == "monitor run" else None
        return [
            f"{self.prober}{', supervisor busy' if self.held else ''}",
            f"{self.rate}/s",
            f"{len(self.pairs) / self.due:.1%}",
            str(self.failed),
            f"{bias * 1000:+.3f}",
            *spread(errors).ms(3),
            f"{sum(known) / len(known):.2%}" if known else "",
            spread(trusted).ms(3)[1] if known else "",
            f"{self.elsewhere:.0%}",
            f"p99 <= {goal:g}" if goal else "",
        ]


def of_daemon(folder: Path, rate: int, *, held: bool, options: argparse.Namespace) -> Measured:
    with StampingServer(folder / "server") as server:
        urls = [server.url(f"t{number}", sleep_ms=options.sleep_ms, body_ms=options.body_ms) for number in range(rate)]
        daemon = Daemon(folder, "--targets", target_list(folder / "urls.txt", urls), "--every", "1s")
        with daemon:
            time.sleep(WARM_UP_SECONDS)
            with busy(daemon.pid, folder) if held else contextlib.nullcontext():
                began, elsewhere = time.time(), Elsewhere()
                time.sleep(options.seconds)
                window, others = Window(began, time.time()), elsewhere.share()
        records = server.stop()
    results = daemon.results()
    found = pairs((_probe(result) for result in results if result.reason is None), records)
    return Measured(
        prober="monitor run",
        rate=rate,
        held=held,
        due=rate * window.seconds,
        failed=sum(result.reason is not None for result in results if window.holds(result.started_at.timestamp())),
        elsewhere=others,
        pairs=[pair for pair in found if window.holds(pair.probe.started_at)],
    )


def _probe(result: RawResult) -> Probe:
    path = urlsplit(result.target).path
    return Probe(path, result.started_at.timestamp(), result.phases["processing"], result.suspect)


def of_blackbox(folder: Path, rate: int, options: argparse.Namespace) -> Measured:
    with StampingServer(folder / "server") as server, Blackbox(folder) as blackbox:
        urls = [server.url(f"t{number}", sleep_ms=options.sleep_ms, body_ms=options.body_ms) for number in range(rate)]
        client, edges = PacedClient(blackbox.port, urls, rate), []
        elsewhere = Elsewhere()
        while_asking(client, WARM_UP_SECONDS, options.seconds, lambda: edges.append(time.time()))
        others = elsewhere.share()
        records = server.stop()
    window = Window(*edges)
    found = pairs((_probe_of(answer) for answer in client.answers if answer.ok), records)
    return Measured(
        prober="blackbox_exporter",
        rate=rate,
        held=False,
        due=rate * window.seconds,
        failed=sum(not answer.ok for answer in client.answers if window.holds(answer.asked_at)),
        elsewhere=others,
        pairs=[pair for pair in found if window.holds(pair.probe.started_at)],
    )


def _probe_of(answer: Answer) -> Probe:
    return Probe(urlsplit(answer.url).path, answer.asked_at, answer.processing_seconds)


def check_itself(folder: Path) -> int:
    claims = []
    for known_ms in KNOWN_ERRORS_MS:
        with StampingServer(folder / f"{known_ms:g}") as server:
            url = server.url("t", sleep_ms=20)
            probes = [Probe(urlsplit(url).path, *timed_ask(url, known_ms / 1000)) for _ in range(40)]
            found = spread([pair.error_seconds * 1000 for pair in pairs(probes, server.stop())])
        claims.append((f"all 40 probes were found at the server: {found.count}", found.count == 40))
        claims.append((f"an error of {known_ms:g} ms is measured: {found.p50:.2f} ms", 0 <= found.p50 - known_ms < 1))
    with Process([program("sleep"), "60"], folder / "sleep.log") as process, busy(process.pid, folder):
        states = []
        for _ in range(600):
            states.append(Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()[0])
            time.sleep(0.005)
    stopped = states.count("T") / len(states)
    claims.append((f"a busy process stands still for 25 % of the time: {stopped:.0%}", 0.2 < stopped < 0.3))
    return checked(claims)


def measure(folder: Path, rates: Sequence[int], options: argparse.Namespace) -> list[Measured]:
    measured = []
    for rate in rates:
        if not options.no_blackbox:
            progress(f"blackbox_exporter at {rate}/s")
            measured.append(of_blackbox(folder / f"blackbox-{rate}", rate, options))
        for held in (False, True):
            progress(f"monitor run at {rate}/s{', supervisor busy' if held else ''}")
            measured.append(of_daemon(folder / f"monitor-{rate}-{held}", rate, held=held, options=options))
    return measured


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rates", default="200,1000", help="probes a second, with commas between")
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--sleep-ms", type=int, default=100)
    parser.add_argument("--body-ms", type=int, default=0, help="how long after its head the body of an answer comes")
    parser.add_argument("--no-blackbox", action="store_true")
    parser.add_argument("--self-check", action="store_true")
    options = parser.parse_args()
    elsewhere = Elsewhere()
    with tempfile.TemporaryDirectory(prefix="monitor-bench-") as name:
        if options.self_check:
            return check_itself(Path(name))
        measured = measure(Path(name), [int(rate) for rate in options.rates.split(",")], options)
    table(
        f"Error of the time to first byte in ms, against a server that records its own {options.sleep_ms} ms; "
        f"{options.seconds:g} s each",
        [
            "prober",
            "rate",
            "of due",
            "failed",
            "median",
            "|p50|",
            "|p99|",
            "|max|",
            "suspect",
            "|p99| without",
            "others",
            "goal",
        ],
        [one.row() for one in measured],
        elsewhere,
        ["suspect: results that the prober itself marks; the next column is without them", OTHERS],
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
