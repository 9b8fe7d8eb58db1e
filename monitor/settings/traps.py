"""Plain scalars that YAML 1.1 reads otherwise than a person does."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from typing import Any

from monitor.settings.node import Node, Path_

_NUMBERS = (
    (re.compile(r"[-+]?0[0-7_]+"), "eight", "leave out the zero, or put it in quotes if text is meant"),
    (re.compile(r"[-+]?\d[\d_]*(:[0-5]?\d)+(\.\d*)?"), "sixty", "put it in quotes"),
)
_WORDS = re.compile("yes|no|on|off", re.IGNORECASE)
_KINDS: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (bool, "true or false"),
    ((int, float), "a number"),
    (datetime.date, "a date"),
    (type(None), "nothing"),
)


def silent_traps(value: Any, plain: str | None, path: Path_) -> Iterator[str]:
    """What is wrong with a scalar that any type would take. `plain` is its text, if it stands without quotes."""
    if plain is None:
        return
    if isinstance(value, bool):
        if _WORDS.fullmatch(plain) and "json" in path:  # elsewhere a truth value is what is wanted
            yield f"{plain} without quotes is {str(value).lower()} in YAML; write that, or put it in quotes"
    elif isinstance(value, int | float) and value:
        for pattern, base, remedy in _NUMBERS:
            if pattern.fullmatch(plain):
                yield f"{plain} without quotes is a number to base {base} in YAML ({value}); {remedy}"


def trap_of(node: Node, *, repeat: bool = True) -> str | None:
    """Why a plain scalar is not the text that it looks like, if so: `on`, `yes`, 12, 2024-01-31, null. `repeat` it?"""
    plain, value = node.origin.plain, node.value
    if plain is None or isinstance(value, str):
        return None
    kind = next((name for type_, name in _KINDS if isinstance(value, type_)), None)
    called = (plain or "an empty value") if repeat else "the value"
    return f"{called} without quotes is {kind} in YAML" if kind else None
