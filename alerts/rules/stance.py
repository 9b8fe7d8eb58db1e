"""What a rule holds of its target now; turns changes of mind, and only those, into verdicts."""

from __future__ import annotations

from alerts.verdict import Level, Verdict

Evidence = tuple[tuple[str, str], ...]

_RANK = {None: 0, Level.TICKET: 1, Level.PAGE: 2}


def above(one: Level | None, other: Level | None) -> bool:
    """Whether `one` is more urgent than `other`; None is no alarm."""
    return _RANK[one] > _RANK[other]


class Stance:
    """`level` is None while the rule does not fire. It only rises, until the rule recovers.

    A page never falls back to a ticket: whoever was woken keeps one incident with one level until it ends.
    """

    __slots__ = ("_rule", "_target", "level")

    def __init__(self, rule: str, target: str) -> None:
        self._rule = rule
        self._target = target
        self.level: Level | None = None

    @property
    def rule(self) -> str:
        return self._rule

    def fire(self, level: Level, since_seconds: float, summary: str, evidence: Evidence) -> Verdict | None:
        if not above(level, self.level):
            return None
        self.level = level
        return self._verdict(True, level, since_seconds, summary, evidence)

    def recover(self, since_seconds: float, summary: str, evidence: Evidence) -> Verdict | None:
        if self.level is None:
            return None
        level, self.level = self.level, None
        return self._verdict(False, level, since_seconds, summary, evidence)

    def _verdict(self, firing: bool, level: Level, since: float, summary: str, evidence: Evidence) -> Verdict:
        return Verdict(
            rule=self._rule,
            target=self._target,
            firing=firing,
            level=level,
            since_seconds=since,
            summary=summary,
            evidence=evidence,
        )
