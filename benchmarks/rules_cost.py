"""What judging costs: time for a result, memory for a target. Run: python -m benchmarks.rules_cost"""

from __future__ import annotations

import gc
import random
import time
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from alerts.correlate import Correlator
from alerts.rules import rules_for
from benchmarks.support.processes import Elsewhere
from benchmarks.support.report import table
from probes.result import Failure, FailureReason, ProbeResult, TlsSession
from probes.target import Target

START = datetime(2026, 1, 1, tzinfo=UTC)
TLS = TlsSession(
    version="TLS 1.3",
    cipher="TLS_AES_128_GCM_SHA256",
    not_after=START + timedelta(days=80),
    leaf_sha256="0" * 64,
    verified=True,
)
TIMEOUT = Failure(FailureReason.TIMEOUT, "no answer within 5s")
EVERY_SECONDS = 10.0
RESULTS = 30_000
TARGETS = 200


def target(name: str, slo: bool = True) -> Target:
    """With an SLO: the outage and certificate rules and a burn rate for availability, p95 and p99."""
    objectives = {"availability": "99.9%", "latency": {"p95": "200ms", "p99": "400ms"}}
    settings = {"name": name, "url": "https://api.example.com/", "tls": {"grade": "A"}}
    return Target.model_validate(settings | ({"slo": objectives} if slo else {}))


def results(name: str, count: int, bad_share: float) -> Iterator[ProbeResult]:
    chance = random.Random(1)
    for number in range(count):
        yield ProbeResult(
            target=name,
            region="bench",
            kind="http",
            started_at=START + timedelta(seconds=number * EVERY_SECONDS),
            monotonic_seconds=number * EVERY_SECONDS,
            duration_seconds=chance.lognormvariate(-2.5, 0.4),
            failure=TIMEOUT if chance.random() < bad_share else None,
            tls=TLS,
        )


def microseconds_per_result(slo: bool, bad_share: float) -> float:
    correlator = Correlator([target("t", slo)])
    fed = list(results("t", RESULTS, bad_share))
    gc.disable()
    began = time.process_time()
    for result in fed:
        correlator.observe((result,))
    spent = time.process_time() - began
    gc.enable()
    return spent / len(fed) * 1e6


def bytes_per_target(slo: bool) -> float:
    """What the rules hold after a day of results, without the target's own settings."""
    targets = [target(f"t{number}", slo) for number in range(TARGETS)]
    day = list(results("t", 8640, 0.01))
    gc.collect()
    tracemalloc.start()
    rules = [rules_for(one) for one in targets]
    for result in day[:: len(day) // 100]:
        for some in rules:
            for rule in some:
                rule.observe(result)
    gc.collect()
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return held / TARGETS


def main() -> None:
    elsewhere, rows = Elsewhere(), []
    for words, slo in (("outage, certificate, grade", False), ("the same and 3 burn rates (99.9 %, p95, p99)", True)):
        costs = [f"{microseconds_per_result(slo, bad):.2f}" for bad in (0.0, 0.01, 0.3)]
        rows.append([words, *costs, f"{bytes_per_target(slo) / 1024:.1f}"])
    table(
        f"Judging: {RESULTS} results at {EVERY_SECONDS:g} s, one by one through the Correlator",
        ["rules", "us, all good", "us, 1 % bad", "us, 30 % bad", "KiB a target"],
        rows,
        elsewhere,
    )


if __name__ == "__main__":
    main()
