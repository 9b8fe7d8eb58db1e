"""Judge the results of one target. `RULES` is the index: one file a rule, one signature.

A rule is pure: it reads no clock, file or network, holds bounded state and never raises, whatever it is fed.
`docs/rules.md` says in words and formulas what each one judges.
"""

from __future__ import annotations

from collections.abc import Callable

from alerts.rules import burn_rate, certificate, outage, tls_grade
from alerts.rules.rule import MinuteCounts, Rule
from probes.target import Target

__all__ = ["RULES", "MinuteCounts", "Rule", "rules_for"]

RULES: dict[str, Callable[[Target], tuple[Rule, ...]]] = {
    "outage": outage.build,
    "burn_rate": burn_rate.build,
    "certificate": certificate.build,
    "tls_grade": tls_grade.build,
}


def rules_for(target: Target) -> tuple[Rule, ...]:
    """Every rule that the target's settings ask for, with fresh state."""
    return tuple(rule for build in RULES.values() for rule in build(target))
