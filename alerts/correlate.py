"""Many verdicts make one incident: what all rules of a target say is merged into one signal a batch."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace

from alerts.rules import MinuteCounts, rules_for
from alerts.rules.burn_rate import BurnRate
from alerts.rules.stance import above
from alerts.verdict import Level, Signal, Verdict
from probes.result import ProbeResult
from probes.target import Target

# An outage spends the error budget, and once it is over there is nothing left to do about the budget: the end of the
# one rule ends the other too. What fired before the outage began is not its doing, and goes on.
EXPLAINS = {"outage": "burn_rate:availability"}

# What may change of a target without changing what its results mean.
_ABOUT_RESPONSE = {"runbook", "severity", "route", "ticket_route"}


class Correlator:
    """Knows, of every target, its rules and what fires. Pure: its only input is results, its only output signals.

    A target's signals are for its one open incident. A rule that stands in both `fired` and `recovered` of a signal
    has fired first and then ended.
    """

    def __init__(self, targets: Iterable[Target]) -> None:
        self._watched = {target.name: _Watched(target) for target in targets}

    def observe(self, batch: Sequence[ProbeResult]) -> tuple[Signal, ...]:
        """At most one signal a target. Results of targets that are not watched (any more) are passed over."""
        changes: dict[str, _Changes] = {}
        for result in batch:
            watched = self._watched.get(result.target)
            if watched is None or not math.isfinite(result.monotonic_seconds):
                continue
            before = None if result.target in changes else watched.levels()
            verdicts = watched.observe(result)
            if verdicts is not None:
                changed = changes.setdefault(result.target, _Changes(before or {}))
                changed.add(verdicts)
        signals = (self._watched[name].told(changed) for name, changed in changes.items())
        return tuple(signal for signal in signals if signal is not None)

    def firing(self, target_name: str) -> Mapping[str, Level]:
        """What fires on a target now, by rule; nothing for a target that is not watched."""
        watched = self._watched.get(target_name)
        return watched.levels() if watched else {}

    def restore(self, target_name: str, firing: Mapping[str, Level]) -> Signal | None:
        """After a restart: the target has an open incident, for which these rules fire.

        A rule that is not configured any more is reported as recovered with the next good result. For a target that
        is not watched any more no result will come: the signal that closes its incident is returned.
        """
        watched = self._watched.get(target_name)
        if watched is None:
            return _gone(target_name, firing, 0.0)
        watched.restore(firing)
        return None

    def preload(self, target_name: str, minutes: Sequence[MinuteCounts]) -> None:
        """Refill the burn windows after a restart, with minutes from after the target's last resolved incident."""
        if target_name in self._watched:
            self._watched[target_name].preload(minutes)

    def reset(self, target_name: str) -> None:
        """The target's incident was resolved by hand: nothing fires, and windows start afresh."""
        if target_name in self._watched:
            self._watched[target_name].reset()

    def replace(self, targets: Iterable[Target]) -> tuple[Signal, ...]:
        """Other settings. A target whose results still mean the same keeps its state.

        One that changed starts with empty windows, its incident still open. The signals close the incidents of
        targets that are gone.
        """
        old, self._watched = self._watched, {}
        for target in targets:
            before = old.pop(target.name, None)
            self._watched[target.name] = before.succeeded_by(target) if before else _Watched(target)
        gone = ((name, watched) for name, watched in old.items() if watched.open)
        return tuple(_gone(name, watched.levels(), watched.newest_seconds) for name, watched in gone)


@dataclass(frozen=True, slots=True)
class _Fired:
    """`began` is when the condition began, `believed` when the rule fired; both -inf after a restart."""

    level: Level
    began: float = -math.inf
    believed: float = -math.inf


class _Watched:
    """The rules of one target and what fires on it, which may be a rule that is not configured any more.

    `open`: its incident is open, as far as rules know.
    """

    __slots__ = ("_firing", "_observe", "_rules", "_target", "newest_seconds", "open")

    def __init__(self, target: Target) -> None:
        self._target = target
        self._rules = {rule.name: rule for rule in rules_for(target)}
        self._observe = tuple(rule.observe for rule in self._rules.values())
        self._firing: dict[str, _Fired] = {}
        self.open = False
        self.newest_seconds = 0.0

    def levels(self) -> dict[str, Level]:
        return {rule: fired.level for rule, fired in self._firing.items()} if self._firing else {}

    def observe(self, result: ProbeResult) -> list[Verdict] | None:
        """What the result changes; None when there is nothing to tell the incident."""
        now = self.newest_seconds = result.monotonic_seconds
        verdicts = [verdict for observe in self._observe if (verdict := observe(result)) is not None]
        if not verdicts and not self.open:
            return None
        for verdict in tuple(verdicts):
            if verdict.firing:
                self.open = True
                known = self._firing.get(verdict.rule)
                believed = known.believed if known else now
                self._firing[verdict.rule] = _Fired(verdict.level, verdict.since_seconds, believed)
            else:
                verdicts += self._explained(self._firing.pop(verdict.rule, None), verdict, now)
        if result.ok:
            orphans = [rule for rule in self._firing if rule not in self._rules]
            verdicts += [self._end(rule, now, "the rule is no longer configured") for rule in orphans]
        if self._firing or not (verdicts or result.ok):
            return verdicts or None
        self.open = False
        for rule in self._rules.values():
            if isinstance(rule, BurnRate):
                rule.reset()
        return verdicts

    def told(self, changed: _Changes) -> Signal | None:
        """The signal of a whole batch. What fires keeps the highest level that the incident is told of."""
        for rule, fired in self._firing.items():
            self._firing[rule] = replace(fired, level=changed.reached(rule, fired.level))
        return changed.signal(self._target.name, self._firing.keys())

    def restore(self, firing: Mapping[str, Level]) -> None:
        self.open = True
        self._firing = {rule: _Fired(level) for rule, level in firing.items()}
        for rule in self._firing.keys() & self._rules.keys():
            self._rules[rule].restore(firing[rule])

    def preload(self, minutes: Sequence[MinuteCounts]) -> None:
        for rule in self._rules.values():
            if isinstance(rule, BurnRate):
                rule.preload(minutes)

    def reset(self) -> None:
        self.open = False
        self._firing.clear()
        for rule in self._rules.values():
            rule.reset()

    def succeeded_by(self, target: Target) -> _Watched:
        """The state to go on with when this target's settings are now `target`."""
        if _meaning(self._target) == _meaning(target):
            self._target = target
            return self
        successor = _Watched(target)
        successor.newest_seconds = self.newest_seconds
        if self.open:
            successor.restore(self.levels())
        return successor

    def _explained(self, cause: _Fired | None, recovered: Verdict, now: float) -> list[Verdict]:
        """End what the rule that has just recovered explains, and forget what led to it."""
        name = EXPLAINS.get(recovered.rule)
        rule = self._rules.get(name) if name else None
        if name is None or rule is None or cause is None:
            return []
        effect = self._firing.get(name)
        if effect is not None and effect.believed < cause.began:
            return []
        rule.reset()
        return [self._end(name, now, f"explained by the {recovered.rule} that has ended")] if effect else []

    def _end(self, rule: str, now: float, why: str) -> Verdict:
        return _ended(self._target.name, rule, self._firing.pop(rule).level, now, why)


@dataclass(slots=True)
class _Changes:
    """What one batch changes of one target, on top of what fired `before`."""

    before: dict[str, Level]
    fired: dict[str, Verdict] = field(default_factory=dict)
    recovered: dict[str, Verdict] = field(default_factory=dict)

    def add(self, verdicts: Sequence[Verdict]) -> None:
        """Keeps the last end of each rule, and the last of its most urgent verdicts."""
        for verdict in verdicts:
            known = self.fired.get(verdict.rule)
            if not verdict.firing:
                self.recovered[verdict.rule] = verdict
            elif known is None or not above(known.level, verdict.level):
                self.fired[verdict.rule] = verdict

    def reached(self, rule: str, level: Level) -> Level:
        """The highest of a level and those that the rule had before and within the batch."""
        known = [level, self.before.get(rule, level)]
        known += [self.fired[rule].level] if rule in self.fired else []
        return Level.PAGE if Level.PAGE in known else Level.TICKET

    def signal(self, target: str, firing: Set[str]) -> Signal | None:
        """The net change. A rule that ended and fired again has not changed, unless it rose."""
        fired = tuple(verdict for rule, verdict in self.fired.items() if above(verdict.level, self.before.get(rule)))
        recovered = tuple(
            replace(verdict, level=self.reached(rule, verdict.level))
            for rule, verdict in self.recovered.items()
            if rule not in firing
        )
        if not fired and not recovered and firing:
            return None
        return Signal(target=target, fired=fired, recovered=recovered, all_clear=not firing)


def _meaning(target: Target) -> dict[str, object]:
    return target.model_dump(exclude=_ABOUT_RESPONSE)


def _ended(target: str, rule: str, level: Level, since_seconds: float, why: str) -> Verdict:
    return Verdict(rule=rule, target=target, firing=False, level=level, since_seconds=since_seconds, summary=why)


def _gone(target: str, firing: Mapping[str, Level], since_seconds: float) -> Signal:
    recovered = tuple(
        _ended(target, rule, level, since_seconds, "the target is no longer configured")
        for rule, level in firing.items()
    )
    return Signal(target=target, recovered=recovered, all_clear=True)
