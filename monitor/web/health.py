"""Whether the daemon can do its work."""

from __future__ import annotations

from collections.abc import Callable, Mapping

Check = Callable[[], str | None]
"""None when all is well, or what is missing, for people."""


class Health:
    """Ready means: settings loaded, store migrated, workers probing. The daemon gives a check for each."""

    def __init__(self, checks: Mapping[str, Check]) -> None:
        self._checks = dict(checks)

    def missing(self) -> tuple[str, ...]:
        """`name: what is missing` of each check that is not content, in order."""
        answers = ((name, check()) for name, check in self._checks.items())
        return tuple(f"{name}: {answer}" for name, answer in answers if answer is not None)
