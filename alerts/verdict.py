"""What a rule says of a target, and what correlation makes of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """Whom a verdict concerns: a ticket waits for the working day, a page wakes somebody."""

    TICKET = "ticket"
    PAGE = "page"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A change of a rule's mind about one target.

    `firing` False means that the rule has recovered; `level` and `evidence` are then those of the end.
    `since_seconds` is on the monotonic clock of the results: when the condition began, not when it was believed.
    `evidence` is what was expected and what was seen, in words and numbers, for people.
    """

    rule: str
    target: str
    firing: bool
    level: Level
    since_seconds: float
    summary: str
    evidence: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """What correlation tells the incident of one target: rules that began to fire (or rose to a page), and that ended.

    `all_clear` means that no rule fires on the target any more.
    """

    target: str
    fired: tuple[Verdict, ...] = ()
    recovered: tuple[Verdict, ...] = ()
    all_clear: bool = False
