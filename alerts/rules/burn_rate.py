"""The error budget is being spent too fast: multiwindow, multi-burn-rate (see `windows` for the source)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from alerts.rules.objective import Objective, objectives
from alerts.rules.rule import MinuteCounts, Rule
from alerts.rules.sliding import SlidingCounts
from alerts.rules.stance import Evidence, Stance, above
from alerts.rules.stream_clock import StreamClock
from alerts.rules.windows import BurnWindow, fitted
from alerts.rules.words import share, span
from alerts.verdict import Level, Verdict
from probes.result import ProbeResult
from probes.target import Target

# Fewer bad events than this prove nothing, whatever their share: one lost probe of a rarely probed or very strict
# objective must not page. At an objective's own rate, five in a window that expects 0.36 come up once in 25,000.
LEAST_BAD_EVENTS = 5

_LEAST_BUDGET = 1e-9  # 99.99999999999999 % reads as 100 %, and nothing can be divided by a budget of none
_SLACK = 1e-9  # 14.4 * (1 - 0.999) * 360 is not the same number in floats as on paper


class _Watch:
    """One row of the table with its counts. `latched`: it made the rule fire, and has not become quiet since."""

    __slots__ = ("_budget", "_needed_long", "_needed_short", "counts", "latched", "least_results", "window")

    def __init__(self, window: BurnWindow, budget: float, every_seconds: float) -> None:
        self.window = window
        self.counts = SlidingCounts(window.long_seconds, window.short_seconds, window.bucket_seconds)
        self.latched = False
        self._budget = budget
        self._needed_long = window.factor * budget * window.long_seconds / every_seconds
        self._needed_short = window.factor * budget * window.short_seconds / every_seconds
        self.least_results = math.ceil(window.short_seconds / every_seconds / 2)

    def holds(self) -> bool:
        """The budget burns at least `factor` times too fast over both windows.

        The share is of the results that a full window has at the target's interval, or of those it does have when
        they are more: what was not probed is not held against the target.
        """
        counts, allowed = self.counts, self.window.factor * self._budget
        return (
            counts.long_bad >= LEAST_BAD_EVENTS
            and counts.long_bad + _SLACK >= max(self._needed_long, allowed * counts.long_total)
            and counts.short_bad + _SLACK >= max(self._needed_short, allowed * counts.short_total)
        )

    def quiet(self, good_in_a_row: int) -> bool:
        """The short window burns slower than `factor`, and enough was seen to say so: no data is never healthy."""
        counts = self.counts
        if max(counts.short_total, good_in_a_row) < self.least_results:
            return False
        allowed = self.window.factor * self._budget * counts.short_total
        return counts.short_bad == 0 or counts.short_bad + _SLACK < allowed


class BurnRate:
    """One objective of one target. Begins to fire and rises on a bad result only, recovers on a good one only.

    When it recovers its windows start afresh: what was answered once is not brought up again.
    """

    __slots__ = (
        "_answers_to",
        "_bad_since",
        "_budget",
        "_clock",
        "_every_seconds",
        "_good_in_a_row",
        "_kept",
        "_kept_at",
        "_kept_bucket",
        "_last_bad",
        "_objective",
        "_slo_seconds",
        "_stance",
        "_watches",
    )

    def __init__(self, objective: Objective, target: Target, slo_seconds: float) -> None:
        self._objective = objective
        self._budget = max(round(1 - objective.good, 12), _LEAST_BUDGET)
        self._slo_seconds = slo_seconds
        self._every_seconds = target.every.total_seconds()
        windows = fitted(self._budget, slo_seconds, self._every_seconds)
        self._watches = tuple(_Watch(window, self._budget, self._every_seconds) for window in windows)
        self._answers_to = self._watches  # those that must be quiet before the rule recovers
        self._stance = Stance(f"burn_rate:{objective.name}", target.name)
        self._clock = StreamClock()
        self._start_afresh()

    @property
    def name(self) -> str:
        return self._stance.rule

    def observe(self, result: ProbeResult) -> Verdict | None:
        if result.kind == "tls_grade":
            return None
        bad = self._objective.bad(result)
        if bad is None or not self._clock.advance(result.monotonic_seconds):
            return None
        now = self._clock.now
        if bad:
            self._count(now, 1)
            return self._saw_bad(now)
        self._good_in_a_row += 1
        if self._stance.level is None:
            self._keep_good(now)
            return None
        self._count(now, 0)
        return self._saw_good(now)

    def restore(self, level: Level) -> None:
        self.reset()
        self._stance.level = level
        self._answer_to(level)
        self._answers_to[0].latched = True  # which row fired is not stored: the one that ends first

    def reset(self) -> None:
        self._stance.level = None
        self._start_afresh()

    def preload(self, minutes: Sequence[MinuteCounts]) -> None:
        """Fill the windows with stored minutes from before the first result, after the last resolved incident.

        Says nothing by itself: the next bad result is judged with them.
        """
        known = [minute for minute in minutes if math.isfinite(minute.monotonic_seconds)]
        if not known:
            return
        self._clock.begin(max(minute.monotonic_seconds for minute in known))
        for minute in known:
            at = self._clock.at(minute.monotonic_seconds)
            total, bad = self._objective.of_minute(minute)
            for watch in self._watches:
                watch.counts.add(at, max(total, 0), max(bad, 0))

    def _keep_good(self, now: float) -> None:
        """Good results change nothing while the rule is silent: they are counted together, a bucket at a time."""
        bucket = now // self._watches[0].window.bucket_seconds
        if bucket != self._kept_bucket:
            self._count_kept()
            self._kept_bucket, self._kept_at = bucket, now
        self._kept += 1

    def _count_kept(self) -> None:
        if self._kept:
            for watch in self._watches:
                watch.counts.add(self._kept_at, self._kept, 0)
            self._kept = 0

    def _count(self, now: float, bad: int) -> None:
        self._count_kept()
        for watch in self._watches:
            watch.counts.add(now, 1, bad)

    def _start_afresh(self) -> None:
        for watch in self._watches:
            watch.counts.clear()
            watch.latched = False
        self._kept = 0
        self._kept_at = 0.0
        self._kept_bucket = -1.0
        self._good_in_a_row = 0
        self._bad_since = 0.0
        self._last_bad: float | None = None

    def _answer_to(self, level: Level) -> None:
        self._answers_to = tuple(w for w in self._watches if w.window.level is level) or self._watches

    def _saw_bad(self, now: float) -> Verdict | None:
        self._good_in_a_row = 0
        if self._last_bad is None or now - self._last_bad > self._watches[0].window.short_seconds:
            self._bad_since = now
        self._last_bad = now
        worst = None
        for watch in self._watches:
            if watch.holds():
                watch.latched = True
                worst = worst or watch
        if worst is None or not above(worst.window.level, self._stance.level):
            return None
        self._answer_to(worst.window.level)
        return self._stance.fire(
            worst.window.level,
            self._clock.monotonic(self._bad_since),
            self._summary(worst),
            self._evidence(worst),
        )

    def _saw_good(self, now: float) -> Verdict | None:
        for watch in self._answers_to:
            watch.latched = watch.latched and not watch.quiet(self._good_in_a_row)
        if any(watch.latched for watch in self._answers_to):
            return None
        seen = self._watches[0]
        evidence = (
            ("objective", self._objective.words),
            ("seen", self._counted(seen.window.short_seconds, seen.counts.short_bad, seen.counts.short_total)),
        )
        summary = "the error budget burns slowly enough again"
        verdict = self._stance.recover(self._clock.monotonic(now), summary, evidence)
        self._start_afresh()
        return verdict

    def _burn(self, bad: int, total: int, seconds: float) -> float:
        return bad / max(total, seconds / self._every_seconds) / self._budget

    def _summary(self, watch: _Watch) -> str:
        counts, window = watch.counts, watch.window
        burn = self._burn(counts.long_bad, counts.long_total, window.long_seconds)
        return (
            f"{counts.long_bad} of {counts.long_total} {self._objective.bad_words} "
            f"in {span(window.long_seconds)}, a burn rate of {burn:.3g}"
        )

    def _evidence(self, watch: _Watch) -> Evidence:
        counts, window = watch.counts, watch.window
        spent = counts.long_bad * self._every_seconds / self._slo_seconds / self._budget
        return (
            ("objective", f"{self._objective.words} over {span(self._slo_seconds)}"),
            ("expected", f"a burn rate below {window.factor:g} over {span(window.long_seconds)}"),
            ("long window", self._counted(window.long_seconds, counts.long_bad, counts.long_total)),
            ("short window", self._counted(window.short_seconds, counts.short_bad, counts.short_total)),
            ("error budget", f"{share(spent)} of {span(self._slo_seconds)} spent in {span(window.long_seconds)}"),
        )

    def _counted(self, seconds: float, bad: int, total: int) -> str:
        full = round(seconds / self._every_seconds)
        missing = f" ({full} when full)" if total < full else ""
        return f"{span(seconds)}: {bad} of {total} bad{missing}, burn rate {self._burn(bad, total, seconds):.3g}"


def build(target: Target) -> tuple[Rule, ...]:
    slo_seconds = target.slo.window.total_seconds() if target.slo else 0.0
    return tuple(BurnRate(objective, target, slo_seconds) for objective in objectives(target))
