"""The error budget is being spent too fast: multiwindow, multi-burn-rate (see `windows` for the source)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from alerts.rules.budget_windows import BudgetWindows, Pace, Watch
from alerts.rules.objective import Objective, objectives
from alerts.rules.rule import MinuteCounts, Rule
from alerts.rules.stance import Evidence, Stance, above
from alerts.rules.stream_clock import StreamClock
from alerts.rules.words import share, span
from alerts.verdict import Level, Verdict
from probes.result import ProbeResult
from probes.target import Target

_LEAST_BUDGET = 1e-9  # 99.99999999999999 % reads as 100 %, and nothing can be divided by a budget of none


class BurnRate:
    """One objective of one target. Begins to fire and rises on a bad result only, recovers on a good one only.

    When it recovers its windows start afresh: what was answered once is not brought up again.
    """

    __slots__ = (
        "_answers_to",
        "_bad_since",
        "_clock",
        "_good_in_a_row",
        "_last_bad",
        "_objective",
        "_pace",
        "_stance",
        "_windows",
    )

    def __init__(self, objective: Objective, target: Target, slo_seconds: float) -> None:
        every_seconds = target.every.total_seconds()
        self._objective = objective
        self._pace = Pace(
            budget=max(round(1 - objective.good, 12), _LEAST_BUDGET),
            slo_seconds=max(slo_seconds, every_seconds),
            every_seconds=every_seconds,
        )
        self._windows = BudgetWindows(self._pace)
        self._answers_to = self._windows.watches  # those that must be quiet before the rule recovers
        self._stance = Stance(f"burn_rate:{objective.name}", target.name)
        self._clock = StreamClock()
        self._good_in_a_row = 0
        self._bad_since = 0.0
        self._last_bad: float | None = None

    @property
    def name(self) -> str:
        return self._stance.rule

    def observe(self, result: ProbeResult) -> Verdict | None:
        if result.reprobe or result.kind == "tls_grade":  # reprobes would weigh failing times more
            return None
        bad = self._objective.bad(result)
        if bad is None or not self._clock.advance(result.monotonic_seconds):
            return None
        now = self._clock.now
        if bad:
            self._windows.add(now, 1, 1)
            return self._saw_bad(now)
        self._good_in_a_row += 1
        if self._stance.level is None:
            self._windows.keep_good(now)
            return None
        self._windows.add(now, 1, 0)
        return self._saw_good(now)

    def restore(self, level: Level) -> None:
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
            self._windows.add(at, max(total, 0), max(bad, 0))

    def _start_afresh(self) -> None:
        self._windows.clear()
        self._good_in_a_row = 0
        self._last_bad = None

    def _answer_to(self, level: Level) -> None:
        watches = self._windows.watches
        self._answers_to = tuple(watch for watch in watches if watch.window.level is level) or watches

    def _saw_bad(self, now: float) -> Verdict | None:
        self._good_in_a_row = 0
        if self._last_bad is None or now - self._last_bad > self._windows.watches[0].window.short_seconds:
            self._bad_since = now
        self._last_bad = now
        worst = None
        for watch in self._windows.watches:
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
        seen = self._windows.watches[0]
        evidence = (
            ("objective", self._objective.words),
            ("seen", self._counted(seen.window.short_seconds, seen.counts.short_bad, seen.counts.short_total)),
        )
        summary = "the error budget burns slowly enough again"
        verdict = self._stance.recover(self._clock.monotonic(now), summary, evidence)
        self._start_afresh()
        return verdict

    def _summary(self, watch: Watch) -> str:
        counts, window = watch.counts, watch.window
        burn = self._pace.burn(counts.long_bad, counts.long_total, window.long_seconds)
        return (
            f"{counts.long_bad} of {counts.long_total} {self._objective.bad_words} "
            f"in {span(window.long_seconds)}, a burn rate of {burn:.3g}"
        )

    def _evidence(self, watch: Watch) -> Evidence:
        counts, window, slo = watch.counts, watch.window, span(self._pace.slo_seconds)
        spent = share(self._pace.spent(counts.long_bad))
        return (
            ("objective", f"{self._objective.words} over {slo}"),
            ("expected", f"a burn rate below {window.factor:g} over {span(window.long_seconds)}"),
            ("long window", self._counted(window.long_seconds, counts.long_bad, counts.long_total)),
            ("short window", self._counted(window.short_seconds, counts.short_bad, counts.short_total)),
            ("error budget", f"{spent} of {slo} spent in {span(window.long_seconds)}"),
        )

    def _counted(self, seconds: float, bad: int, total: int) -> str:
        full = round(seconds / self._pace.every_seconds)
        missing = f" ({full} when full)" if total < full else ""
        return f"{span(seconds)}: {bad} of {total} bad{missing}, burn rate {self._pace.burn(bad, total, seconds):.3g}"


def build(target: Target) -> tuple[Rule, ...]:
    slo_seconds = target.slo.window.total_seconds() if target.slo else 0.0
    return tuple(BurnRate(objective, target, slo_seconds) for objective in objectives(target))
