"""Errors typed by what the caller can do about them."""

from __future__ import annotations


class UserError(Exception):
    """Something that the user can put right. The text says what is wrong and what would be right; no traceback."""

    exit_code = 2

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class NotFound(UserError):
    """What the user named does not exist; the text says where to see what does."""


class Conflict(UserError):
    """The incident is in a state in which this cannot be done any more."""

    exit_code = 1
