"""What is wrong with the settings, in one line each, without repeating a secret."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from monitor.redact import without_known_secrets
from monitor.settings.node import Node, Path_, field_text

# A long run of letters and digits is a key more often than anything a person needs to read again.
_KEY = re.compile(r"(?=[A-Za-z+=]*\d)(?=[\d+=]*[A-Za-z])[A-Za-z0-9+=]{20,}")


@dataclass(frozen=True, slots=True)
class Problem:
    """`place: field: text`. `place` is file:line, a variable's name or a flag."""

    place: str
    field: str
    text: str

    def __str__(self) -> str:
        said = f"{self.field}: {self.text}" if self.field else self.text
        line = without_known_secrets(f"{self.place}: {without_keys(said)}")
        return "".join(character if character.isprintable() else repr(character)[1:-1] for character in line)


def problem_at(root: Node, path: Path_, text: str) -> Problem:
    """A problem of the value at `path`, placed where that value was written (or where its section begins)."""
    node, steps = root.nearest(path)
    written = (*node.origin.path, *path[len(steps) :])
    return Problem(node.origin.place, field_text(written, root), text)


def without_keys(text: str) -> str:
    return _KEY.sub("…", text)


def shown(value: Any) -> str:
    """A value as an error repeats it: short, on one line, and without what looks like a key."""
    text = repr(value) if not isinstance(value, bool) else str(value).lower()
    return without_keys(text if len(text) <= 60 else f"{text[:57]}…")
