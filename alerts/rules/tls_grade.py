"""The TLS configuration is rated below the letter that the target's owner asked for."""

from __future__ import annotations

from alerts.rules.rule import Rule
from alerts.rules.stance import Evidence, Stance
from alerts.verdict import Level, Verdict
from probes.result import GradeFacts, ProbeResult
from probes.target import Target

# Best first, as SSL Labs orders them. T (not trusted) and M (another name's certificate) are below every objective.
LETTERS = ("A+", "A", "A-", "B", "C", "D", "E", "F", "T", "M")

# A known attack works, or clients cannot tell whom they talk to: that does not wait for the working day.
PAGE_LETTERS = frozenset({"F", "T", "M"})

_MOST_FINDINGS = 5


class TlsGrade:
    """One scan is believed, for better and for worse: the next comes hours later, and a scan that failed (`failure`)
    is no scan. It only judges results of kind `tls_grade`.
    """

    __slots__ = ("_objective", "_stance", "_verify")

    def __init__(self, target: Target, objective: str) -> None:
        self._objective = objective
        self._verify = target.tls.verify
        self._stance = Stance("tls_grade", target.name)

    @property
    def name(self) -> str:
        return self._stance.rule

    def observe(self, result: ProbeResult) -> Verdict | None:
        grade = result.grade
        if result.kind != "tls_grade" or result.failure is not None or grade is None:
            return None
        # Whoever does not verify the certificate in probes has said that trust is no matter here.
        letter = grade.letter if self._verify else grade.letter_trust_ignored
        if letter not in LETTERS:
            return None
        evidence = self._evidence(letter, grade)
        if LETTERS.index(letter) <= LETTERS.index(self._objective):
            return self._stance.recover(
                result.monotonic_seconds, f"TLS is rated {letter}, which meets {self._objective}", evidence
            )
        return self._stance.fire(
            Level.PAGE if letter in PAGE_LETTERS else Level.TICKET,
            result.monotonic_seconds,
            f"TLS is rated {letter}, below {self._objective}",
            evidence,
        )

    def restore(self, level: Level) -> None:
        self._stance.level = level

    def reset(self) -> None:
        self._stance.level = None

    def _evidence(self, letter: str, grade: GradeFacts) -> Evidence:
        scores = (
            f"protocol {grade.protocol_score}, key exchange {grade.key_exchange_score}, cipher {grade.cipher_score}"
        )
        return (
            ("expected", f"{self._objective} or better"),
            ("seen", f"{letter} ({scores})"),
            *((rule, summary) for rule, summary in grade.findings[:_MOST_FINDINGS]),
        )


def build(target: Target) -> tuple[Rule, ...]:
    # A rule that no scan will ever feed would keep its incident open for ever.
    return (TlsGrade(target, target.tls.grade),) if target.graded and target.tls.grade is not None else ()
