"""Rate facts as SSL Labs does (2009r): scores, then the best letter that the broken rules leave."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from probes.tls.facts import Gap, TlsFacts
from probes.tls.rules import LETTERS, NOT_TESTED, RULES, TRUST, Rule
from probes.tls.score import Scores, letter_of, scores

WORST_FIRST = (*TRUST, *reversed(LETTERS))
_MAX_EVIDENCE = 4
# An A+ is earned: a server of which this is not known gets an A.
_A_PLUS_NEEDS = ("hsts_max_age", "fallback_scsv")


@dataclass(frozen=True, slots=True)
class Finding:
    """A broken rule. `cap` is the best grade that it leaves; None costs nothing."""

    id: str
    cap: str | None
    summary: str
    fix: str
    source: str


@dataclass(frozen=True, slots=True)
class Rating:
    letter: str
    letter_trust_ignored: str  # as if the certificate were trusted and named the host
    scores: Scores
    findings: tuple[Finding, ...]  # worst first
    not_tested: tuple[Gap, ...]


def rate(facts: TlsFacts) -> Rating:
    findings = tuple(sorted(_findings(facts), key=lambda finding: _badness(finding.cap)))
    caps = {finding.cap for finding in findings if finding.cap is not None}
    reached = scores(facts)
    base = _earned(facts, letter_of(reached.total))
    ignored = _worst({base} | caps - set(TRUST))
    return Rating(
        letter=_worst({ignored} | caps),
        letter_trust_ignored=ignored,
        scores=reached,
        findings=findings,
        not_tested=(*facts.gaps, *NOT_TESTED),
    )


def below(letter: str, bar: str) -> bool:
    """Whether `letter` is worse than `bar`; T and M are below every letter."""
    return WORST_FIRST.index(letter) < WORST_FIRST.index(bar)


def _earned(facts: TlsFacts, letter: str) -> str:
    known = all(getattr(facts, name) is not None for name in _A_PLUS_NEEDS)
    return "A+" if letter == "A" and known else letter


def _findings(facts: TlsFacts) -> Iterable[Finding]:
    for rule in RULES:
        evidence = tuple(rule.when(facts))
        if evidence:
            yield Finding(rule.id, rule.cap, _summary(rule, evidence), rule.fix, rule.source)


def _summary(rule: Rule, evidence: tuple[str, ...]) -> str:
    named = [text for text in evidence if text]
    more = len(named) - _MAX_EVIDENCE
    shown = ", ".join(named[:_MAX_EVIDENCE]) + (f" and {more} more" if more > 0 else "")
    return f"{rule.why}: {shown}" if shown else rule.why


def _worst(letters: Iterable[str]) -> str:
    return min(letters, key=WORST_FIRST.index)


def _badness(cap: str | None) -> int:
    return len(WORST_FIRST) if cap is None else WORST_FIRST.index(cap)
