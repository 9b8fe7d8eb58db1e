"""From the arrival of the deciding result to the POST at the pager, while 1,000 probes a second go on.

    python -m benchmarks.pager_latency [--rate PROBES_PER_SECOND] [--failing N] [--seconds S]

Every target is probed once a second; N of them begin to fail at random moments within S seconds, and page after two
failures in a row. The deciding result is the second failing answer; it arrives when the server hands it to the kernel.
The page arrives with the request's first segment at the pager, which takes events as PagerDuty's Events API v2 does.
Both moments are stamps of one kernel (benchmarks/support/stamping_server.py); reading the answer, judging, storing,
leasing and sending are all in between.

`--self-check` has a stand-in page a known time after its deciding result.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.support.daemon import Daemon, settings_file
from benchmarks.support.processes import Elsewhere
from benchmarks.support.report import checked, progress, spread, table
from benchmarks.support.stamped import Record, StampingServer
from benchmarks.support.stand_in import ask, ask_until_failing
from monitor.pager_sink.contract import parse, read_v2

FAILURES = 2
START_SECONDS = 25.0  # for the daemon to start and warm up, before the first target may fail
LAST_PAGE_SECONDS = 6.0
KNOWN_SECONDS = 0.05
POST_PATH = "/v2/enqueue"


@dataclass(frozen=True, slots=True)
class Pages:
    """Seconds from the deciding answer to the page, by the failing target's path, and what else came."""

    latency: Mapping[str, float]
    others: int  # pages that no failing target called for: doubled, or of targets that were well


def deciding(records: Sequence[Record]) -> dict[str, int]:
    """For each path, when the answer left that made FAILURES in a row (ns)."""
    row: Counter[str] = Counter()
    found: dict[str, int] = {}
    for record in sorted(records, key=lambda record: record.arrived_ns):
        row[record.path] = row[record.path] + 1 if record.status == 503 else 0
        if row[record.path] == FAILURES and record.departed_ns is not None:
            found.setdefault(record.path, record.departed_ns)
    return found


def pages(records: Sequence[Record], path_of: Mapping[str, str]) -> Pages:
    """`path_of` tells a target's path by its name."""
    decided = deciding([record for record in records if record.path != POST_PATH])
    arrived: dict[str, list[int]] = defaultdict(list)
    for record in records:
        if record.path == POST_PATH:
            event = read_v2(parse((record.body or "").encode()))  # raises for what is no event of the API
            if event.action.value == "trigger":
                arrived[path_of[event.body["payload"]["source"]]].append(record.arrived_ns)
    latency = {path: (min(arrived[path]) - at) / 1e9 for path, at in decided.items() if path in arrived}
    return Pages(latency, sum(map(len, arrived.values())) - len(latency))


def settings(server: StampingServer, options: argparse.Namespace, first_failure_at: float) -> dict[str, Any]:
    chance = random.Random(1)
    moments = [first_failure_at + chance.random() * options.seconds for _ in range(options.failing)]
    urls = [server.url(f"f{number}", fails_from=at) for number, at in enumerate(moments)]
    urls += [server.url(f"t{number}") for number in range(options.rate - options.failing)]
    return {
        "pagerduty": {"events_url": server.base, "routes": {"default": {"routing_key": "env:PD_KEY"}}},
        "defaults": {"every": "1s", "outage": {"failures": FAILURES, "for": "0s"}},
        "targets": [{"name": url.rpartition("/")[2], "url": url} for url in urls],
    }


def measure(folder: Path, options: argparse.Namespace) -> None:
    elsewhere = Elsewhere()
    with StampingServer(folder / "server") as server:
        first_failure_at = time.time() + options.start
        wanted = settings(server, options, first_failure_at)
        with Daemon(folder, "-c", settings_file(folder / "monitor.yaml", wanted)):
            if time.time() > first_failure_at - 3:
                raise SystemExit("the daemon took too long to start; give it more with --start SECONDS")
            progress(f"in {first_failure_at - time.time():.0f} s the first of {options.failing} targets fails")
            time.sleep(first_failure_at + options.seconds + LAST_PAGE_SECONDS - time.time())
        records = server.stop()
    path_of = {target["name"]: target["url"].removeprefix(server.base) for target in wanted["targets"]}
    found = pages(records, path_of)
    probes = sum(record.path != POST_PATH for record in records)
    latency = spread(list(found.latency.values()))
    table(
        f"From the deciding result to the POST at the pager, in ms: {options.rate} targets at 1 s, "
        f"{options.failing} begin to fail within {options.seconds:g} s",
        ["", "pages", "missing", "others", "p50", "p99", "max", "goal"],
        [
            [
                "monitor run",
                str(latency.count),
                str(options.failing - latency.count),
                str(found.others),
                *latency.ms(1),
                "p99 <= 250",
            ]
        ],
        elsewhere,
        [f"{probes} probes were answered; others: pages that no failing target called for, or called for twice"],
    )


def check_itself(folder: Path) -> int:
    with StampingServer(folder) as server:
        urls = {f"f{number}": server.url(f"f{number}", fails_from=time.time() + 0.3) for number in range(5)}
        for name, url in urls.items():
            ask_until_failing(url, FAILURES)
            time.sleep(KNOWN_SECONDS)
            ask(f"{server.base}{POST_PATH}", event(name))
        ask(f"{server.base}{POST_PATH}", event("f0"))
        records = server.stop()
    found = pages(records, {name: url.removeprefix(server.base) for name, url in urls.items()})
    shortest = min(found.latency.values())
    error_seconds = shortest - KNOWN_SECONDS
    return checked(
        [
            (f"all 5 pages were found: {len(found.latency)}", len(found.latency) == 5),
            (f"the one that was sent twice is told: {found.others}", found.others == 1),
            (f"{KNOWN_SECONDS * 1000:.0f} ms are measured as {shortest * 1000:.1f}", 0 <= error_seconds < 0.02),
        ]
    )


def event(name: str) -> bytes:
    payload = {"summary": "down", "source": name, "severity": "critical"}
    body = {"routing_key": "0" * 32, "event_action": "trigger", "dedup_key": name}
    return json.dumps(body | {"payload": payload}).encode()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=int, default=1000)
    parser.add_argument("--failing", type=int, default=60)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--start", type=float, default=START_SECONDS, help="seconds for the daemon to start in")
    parser.add_argument("--self-check", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="monitor-bench-") as name:
        if options.self_check:
            return check_itself(Path(name))
        measure(Path(name), options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
