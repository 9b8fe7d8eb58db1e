"""The target does not answer as it should: so many failures in a row, for so long."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from alerts.rules.rule import Rule
from alerts.rules.stance import Stance
from alerts.rules.stream_clock import StreamClock
from alerts.rules.words import exactly, span
from alerts.verdict import Level, Verdict
from probes.result import Failure, FailureReason, ProbeResult
from probes.target import Target


class Outage:
    """Fires on the first result that makes both the count and the time full; recovers in the same way.

    A failure of our own (`internal`) tells nothing of the target: it neither counts nor breaks a row. A reprobe counts
    as any other: it is made so that this is sure sooner.
    """

    __slots__ = (
        "_clock",
        "_down_since",
        "_failing",
        "_first_at",
        "_for_seconds",
        "_least_failures",
        "_least_successes",
        "_reasons",
        "_recovery_seconds",
        "_row",
        "_row_since",
        "_stance",
    )

    def __init__(self, target: Target) -> None:
        self._least_failures = target.outage.failures
        self._for_seconds = target.outage.for_.total_seconds()
        self._least_successes = target.recovery.successes
        self._recovery_seconds = target.recovery.for_.total_seconds()
        self._stance = Stance("outage", target.name)
        self._clock = StreamClock()
        self._down_since: float | None = None  # None too when the outage began before a restart
        self._first_at: datetime | None = None
        self._begin_row(failing=False)

    @property
    def name(self) -> str:
        return self._stance.rule

    def observe(self, result: ProbeResult) -> Verdict | None:
        failure = result.failure
        if result.kind == "tls_grade" or (failure is not None and failure.reason is FailureReason.INTERNAL):
            return None
        if not self._clock.advance(result.monotonic_seconds):
            return None
        if failure is None and not self._failing and self._stance.level is None:
            return None  # the usual case: a row of successes that ends nothing need not be counted
        if self._failing != (failure is not None):
            self._begin_row(failing=failure is not None)
        if self._row == 0:
            self._row_since = self._clock.now
            self._first_at = result.started_at
        self._row += 1
        return self._succeeded() if failure is None else self._failed(failure)

    def restore(self, level: Level) -> None:
        self.reset()
        self._stance.level = level

    def reset(self) -> None:
        self._stance.level = None
        self._down_since = None
        self._begin_row(failing=False)

    def _begin_row(self, *, failing: bool) -> None:
        self._failing = failing
        self._row = 0
        self._row_since = 0.0
        self._first_at = None
        self._reasons: Counter[str] = Counter()

    def _full(self, least: int, seconds: float) -> bool:
        return self._row >= least and self._clock.now - self._row_since >= seconds

    def _failed(self, failure: Failure) -> Verdict | None:
        self._reasons[failure.reason.value] += 1
        if self._stance.level is Level.PAGE or not self._full(self._least_failures, self._for_seconds):
            return None
        self._down_since = self._row_since
        lasted = span(self._clock.now - self._row_since)
        reasons = ", ".join(f"{count} {reason}" for reason, count in self._reasons.most_common())
        return self._stance.fire(
            Level.PAGE,
            self._clock.monotonic(self._row_since),
            f"down: {self._row} failed in a row over {lasted} ({reasons})",
            (
                ("expected", f"fewer than {self._least_failures} failures in a row over {exactly(self._for_seconds)}"),
                ("first failure", self._first_at.isoformat(timespec="seconds") if self._first_at else ""),
                ("failures in a row", f"{self._row} over {lasted}"),
                ("reasons", reasons),
                ("last failure", failure.detail),
            ),
        )

    def _succeeded(self) -> Verdict | None:
        if self._stance.level is None or not self._full(self._least_successes, self._recovery_seconds):
            return None
        down = () if self._down_since is None else (("down for", span(self._row_since - self._down_since)),)
        self._down_since = None
        lasted = span(self._clock.now - self._row_since)
        return self._stance.recover(
            self._clock.monotonic(self._row_since),
            f"up again: {self._row} succeeded in a row over {lasted}",
            (*down, ("successes in a row", f"{self._row} over {lasted}")),
        )


def build(target: Target) -> tuple[Rule, ...]:
    return (Outage(target),)
