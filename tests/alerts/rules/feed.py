"""Results of one made-up target, one interval after the other."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from alerts.verdict import Verdict
from probes.result import Failure, FailureReason, GradeFacts, ProbeResult, TlsSession
from probes.target import Target

START = datetime(2026, 1, 1, tzinfo=UTC)
START_SECONDS = 5000.0

Observe = Callable[[ProbeResult], Verdict | None]


def target(name: str = "api", **options: Any) -> Target:
    return Target.model_validate({"name": name, "url": "https://api.example.com/health", **options})


def session(days_left: float, *, leaf: str = "ab" * 32, at: datetime = START) -> TlsSession:
    return TlsSession(
        version="TLS 1.3",
        cipher="TLS_AES_128_GCM_SHA256",
        not_after=at + timedelta(days=days_left),
        leaf_sha256=leaf,
        verified=days_left > 0,
    )


def rating(letter: str, letter_trust_ignored: str | None = None, findings: int = 1) -> GradeFacts:
    return GradeFacts(
        letter=letter,
        letter_trust_ignored=letter_trust_ignored or letter,
        protocol_score=95,
        key_exchange_score=90,
        cipher_score=80,
        total_score=88,
        findings=tuple((f"rule-{number}", f"finding {number}") for number in range(findings)),
    )


class Feed:
    """Makes results `every` seconds apart; `seconds` is when the next one is complete."""

    def __init__(self, every: float = 10.0, name: str = "api") -> None:
        self.every = every
        self.name = name
        self.seconds = START_SECONDS
        self.wall_ahead = timedelta(0)

    def result(self, failure: FailureReason | None = None, *, took: float = 0.05, **facts: Any) -> ProbeResult:
        made = ProbeResult(
            target=self.name,
            region="eu",
            started_at=START + timedelta(seconds=self.seconds - START_SECONDS) + self.wall_ahead,
            monotonic_seconds=self.seconds,
            duration_seconds=took,
            failure=None if failure is None else Failure(failure, f"saw {failure.value}"),
            **{"kind": "http", **facts},
        )
        self.seconds += self.every
        return made

    def good(self, **facts: Any) -> ProbeResult:
        return self.result(**facts)

    def bad(self, reason: FailureReason = FailureReason.TIMEOUT, **facts: Any) -> ProbeResult:
        return self.result(reason, **facts)

    def pattern(self, marks: str) -> list[ProbeResult]:
        """`.` good, `x` failed, `s` slow, `i` failed by our own fault, `_` no result for one interval."""
        made = []
        for mark in marks:
            if mark == "_":
                self.seconds += self.every
                continue
            reason = {"x": FailureReason.TIMEOUT, "i": FailureReason.INTERNAL}.get(mark)
            made.append(self.result(reason, took=2.0 if mark == "s" else 0.05))
        return made


def judged(observe: Observe, results: list[ProbeResult]) -> list[tuple[int, Verdict]]:
    """(index of the result, verdict) of every verdict."""
    verdicts = ((index, observe(result)) for index, result in enumerate(results))
    return [(index, verdict) for index, verdict in verdicts if verdict is not None]
