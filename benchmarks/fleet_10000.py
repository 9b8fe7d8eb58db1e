"""A large fleet on the real daemon: start lag, probes skipped, memory a target, and what a scrape costs.

    python -m benchmarks.fleet_10000 [--targets N] [--every SECONDS] [--seconds S] [--scrapes N] [--workers N]

After a warm-up comes a quiet part of S seconds, in which nobody asks the daemon for anything, then at most N scrapes
with pauses between them, each with the headers that Prometheus sends. nginx serves the probes and logs them. Start lag
is what the daemon stored (`late_seconds`); whether that is true is seen from nginx's log: each target has to come at
the same millisecond of its interval every time. The CPU of a scrape is that of the whole daemon over a span of some
seconds with one scrape in it, minus what it spends in so many seconds without; medians.

`--self-check` holds the probe workers for 50 ms at a time and sees that this comes out as lag, in store and log.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from benchmarks.support.busy import busy
from benchmarks.support.daemon import Daemon, target_list
from benchmarks.support.nginx import LoggingNginx
from benchmarks.support.processes import Elsewhere, Memory, cpu_seconds, memory
from benchmarks.support.report import checked, progress, spread, table
from benchmarks.support.scrapes import Scrape, Span, scrape, span
from monitor.store.results import RawResult
from tests.support.wait import until

FEW_TARGETS = 10
SPAN_SECONDS = 2.0  # two rounds of the daemon's own housekeeping
LONGEST_SPAN_SECONDS = 20.0
SCRAPING_SECONDS = 48.0  # for all scrapes and the pauses between them
HEAD = ("", "p50", "p99", "max", "goal")
Holds = Callable[[float], bool]
"""Whether a unix time belongs to what is looked at."""
Work = Callable[[Daemon, Scrape | None], Iterable[Span]]
"""What is done to a warm daemon, which was scraped once if it is to be scraped at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What one run showed. Times are unix times."""

    began: float
    ended: float
    spans: Sequence[Span]
    memory: Memory
    results: Sequence[RawResult]
    asked: Mapping[str, Sequence[float]]  # at the server, by path

    def scrapes(self) -> list[Scrape]:
        return [span.scrape for span in self.spans if span.scrape is not None]

    def in_scrape(self, at: float) -> bool:
        return any(one.began <= at < one.ended for one in self.scrapes())

    def in_quiet(self, at: float) -> bool:
        return self.began <= at < self.ended and not self.in_scrape(at)

    def stored_lag(self, holds: Holds) -> list[float]:
        return [result.late_seconds for result in self.results if holds(result.started_at.timestamp())]

    def lag_at_server(self, every_seconds: float, holds: Holds) -> list[float]:
        """How much later than at its earliest, within its interval, each request came."""
        lag: list[float] = []
        for times in self.asked.values():
            offsets = [at - round((at - times[0]) / every_seconds) * every_seconds for at in times]
            earliest = min(offsets)
            lag += [offset - earliest for at, offset in zip(times, offsets, strict=True) if holds(at)]
        return lag

    def made(self) -> int:
        return sum(self.began <= at < self.ended for times in self.asked.values() for at in times)

    def skipped(self, every_seconds: float) -> int:
        """Intervals in which a target was not asked, though it was before and after."""
        gaps = [later - at for times in self.asked.values() for at, later in pairwise(times)]
        return sum(max(0, round(gap / every_seconds) - 1) for gap in gaps)


def run(folder: Path, targets: int, options: argparse.Namespace, work: Work) -> Seen:
    with LoggingNginx(folder / "nginx") as nginx:
        urls = [f"{nginx.http_url}/t{number}" for number in range(targets)]
        arguments = ["--targets", target_list(folder / "urls.txt", urls), "--every", f"{options.every:g}s"]
        with Daemon(folder, *arguments, workers=options.workers) as daemon:
            progress(f"waiting until each of {targets} targets was probed")
            until(lambda: nginx.served() >= targets, seconds=60 + options.every, what="a probe of each target")
            first = scrape(daemon) if options.scrapes else None
            time.sleep(2)  # what was loaded and built at the first probe and scrape is settled
            began = time.time()
            spans = list(work(daemon, first))
            ended, held = time.time(), memory(daemon.family())
    return Seen(began=began, ended=ended, spans=spans, memory=held, results=daemon.results(), asked=nginx.asked())


def watch(daemon: Daemon, first: Scrape | None, options: argparse.Namespace) -> Iterable[Span]:
    first_seconds = first.ended - first.began if first is not None else 0.0
    seconds = min(max(SPAN_SECONDS, math.ceil(1.5 * first_seconds)), LONGEST_SPAN_SECONDS)
    scrapes = min(options.scrapes, max(2, int(SCRAPING_SECONDS / 2 / seconds)))
    progress("quiet part")
    for _ in range(max(1, round(options.seconds / seconds))):
        yield span(daemon, scraped=False, seconds=seconds)
    for number in range(scrapes):
        progress(f"scrape {number + 1} of {scrapes}")
        for scraped in (True, False):
            yield span(daemon, scraped=scraped, seconds=seconds)


def lag_rows(seen: Seen, every_seconds: float) -> list[list[str]]:
    def row(name: str, lag: Sequence[float], goal: str = "") -> list[str]:
        return [f"start lag ms, {name}", *spread(lag).ms(), goal]

    rows = [
        row("quiet", seen.stored_lag(seen.in_quiet), "p99 <= 5"),
        row("quiet, at the server", seen.lag_at_server(every_seconds, seen.in_quiet)),
    ]
    if seen.scrapes():
        rows.append(row("during scrapes", seen.stored_lag(seen.in_scrape), "unchanged"))
        rows.append(row("during scrapes, at the server", seen.lag_at_server(every_seconds, seen.in_scrape)))
    return rows


def scrape_rows(seen: Seen) -> list[list[str]]:
    """A scrape's cost, at the median and at the most."""
    scraped = [span for span in seen.spans if span.scrape is not None]
    if not scraped:
        return []
    idle = [span for span in seen.spans if span.scrape is None]
    kinds: tuple[tuple[str, Callable[[Span], float], str], ...] = (
        ("whole daemon", lambda span: span.whole_cpu_seconds, "<= 150"),
        ("parent alone", lambda span: span.parent_cpu_seconds, ""),
    )
    rows = []
    for name, cpu, goal in kinds:
        usual = statistics.median(cpu(span) / span.seconds for span in idle)
        costs = [(cpu(span) - usual * span.seconds) * 1000 for span in scraped]
        rows.append([f"CPU ms of a scrape, {name}", f"{statistics.median(costs):.0f}", "", f"{max(costs):.0f}", goal])
    took = spread([one.ended - one.began for one in seen.scrapes()])
    return [*rows, ["a scrape ms, as its client sees it", *took.ms(0), ""]]


def memory_rows(seen: Seen, few: Memory, targets: int) -> list[list[str]]:
    many, rows = seen.memory, []
    for name, of_many, of_few, goal in (
        ("RSS", many.resident_bytes, few.resident_bytes, "<= 20"),
        ("PSS", many.proportional_bytes, few.proportional_bytes, "<= 20"),
    ):
        more = (of_many - of_few) / (targets - FEW_TARGETS)
        rows.append([f"{name} KB a target, whole daemon / targets", f"{of_many / targets / 1000:.1f}", "", "", goal])
        rows.append([f"{name} KB a target more", f"{more / 1000:.1f}", "", "", ""])
        words = f"{name} MB, {many.processes} processes; with {FEW_TARGETS} targets"
        rows.append([words, f"{of_many / 1e6:.0f}", "", f"{of_few / 1e6:.0f}", ""])
    return rows


def measure(folder: Path, options: argparse.Namespace) -> None:
    elsewhere = Elsewhere()
    few = run(folder / "few", FEW_TARGETS, options, lambda *_: ())
    seen = run(folder / "many", options.targets, options, lambda daemon, first: watch(daemon, first, options))
    due = options.targets / options.every * (seen.ended - seen.began)
    scrapes = seen.scrapes()
    failed = Counter(result.reason for result in seen.results if result.reason is not None)
    rows = [
        ["probes made, of due", f"{seen.made() / due:.2%}", "", "", ""],
        ["probes skipped", str(seen.skipped(options.every)), "", "", "0"],
        ["probes failed", str(failed.total()), "", "", ""],
        *lag_rows(seen, options.every),
        *scrape_rows(seen),
        *memory_rows(seen, few.memory, options.targets),
    ]
    notes = ["at the server: later than the same target's earliest within its interval, to the millisecond"]
    if scrapes:
        least = min(scrapes, key=lambda one: one.targets)
        megabytes = f"{least.text_bytes / 1e6:.1f} MB of text, {least.sent_bytes / 1e6:.2f} MB as sent"
        notes.append(f"a scrape: {least.targets} targets in {megabytes}")
    if failed:
        notes.append(f"failed: {', '.join(f'{count} {reason}' for reason, count in failed.most_common())}")
    table(
        f"{options.targets} targets at {options.every:g} s: {seen.ended - seen.began:.0f} s, {len(scrapes)} scrapes",
        HEAD,
        rows,
        elsewhere,
        notes,
    )


def check_itself(folder: Path, options: argparse.Namespace) -> int:
    def work(daemon: Daemon, _: Scrape | None) -> Iterable[Span]:
        worker = max(daemon.family()[1:], key=cpu_seconds)  # of the parent's descendants it is the one that works
        with busy(worker, folder, busy_ms=50, every_ms=500):
            yield span(daemon, scraped=False, seconds=10)

    options.every = 1.0
    seen = run(folder, 500, options, work)
    stored = spread(seen.stored_lag(seen.in_quiet)).p99
    at_server = spread(seen.lag_at_server(options.every, seen.in_quiet)).p99
    skipped = seen.skipped(options.every)
    return checked(
        [
            (f"workers that stand still for 50 ms lag, in the store: p99 {stored * 1000:.1f} ms", stored > 0.03),
            (f"and at the server: p99 {at_server * 1000:.1f} ms", at_server > 0.03),
            (f"no probe is skipped by that: {skipped}", skipped == 0),
        ]
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--targets", type=int, default=10_000)
    parser.add_argument("--every", type=float, default=10.0)
    parser.add_argument("--seconds", type=float, default=30.0, help="of the quiet part")
    parser.add_argument("--scrapes", type=int, default=8, help="at most; 0: none")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--self-check", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="monitor-bench-") as name:
        if options.self_check:
            return check_itself(Path(name), options)
        measure(Path(name), options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
