"""What is expected of a JSON body. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from probes.engine.failures import failure
from probes.engine.search import SearchTooLong, compiled, cpu_bound
from probes.options import JsonExpect, JsonExpected, Scalar
from probes.result import Failure, FailureReason

MAX_SHOWN_CHARACTERS = 80
Hide = Callable[[str], str]


def check_json(wanted: Mapping[str, JsonExpected], document: Any, hide: Hide = str) -> Failure | None:
    """The first path in which `document` is not as it is wanted. `hide` takes secrets out of what its text shows."""
    for path, expected in wanted.items():
        try:
            with cpu_bound():
                problem = _mistake(path, expected, document, hide)
        except SearchTooLong as stopped:
            problem = f"looking for it {stopped}; simplify the path or the pattern"
        if problem is not None:
            return failure(FailureReason.JSON, f"{path} {problem}")
    return None


def _mistake(path: str, expected: JsonExpected, document: Any, hide: Hide) -> str | None:
    """What is wrong with the first value that is not right. A path that selects several wants it of each of them."""
    exists = False
    try:
        for value in _values(document, path):
            exists = True
            if problem := _unfit(value, expected):
                return f"is {_shown(value, hide)}, {problem}"
    except LookupError:
        return "cannot be looked for: the document is nested too deeply"
    if exists:
        return None
    if isinstance(expected, JsonExpect):
        return None if expected.exists is False else "is not there"
    return f"is not there, expected {_shown(expected)}"


def _values(document: Any, path: str) -> Iterator[Any]:
    """Raises LookupError when that cannot be known."""
    if path.startswith("$"):
        from probes.engine.jsonpath import values_at  # a library that few need

        yield from values_at(document, path)
        return
    try:
        value = at_path(document, path)
    except LookupError:
        return
    yield value


def at_path(document: Any, path: str) -> Any:
    """`checks.0.status` in a JSON document. Raises LookupError."""
    value = document
    for step in path.split("."):
        if isinstance(value, dict):
            value = value[step]
        elif isinstance(value, list) and step.isdecimal() and len(step) < 10:
            value = value[int(step)]
        else:
            raise LookupError(step)
    return value


def _same(value: Any, wanted: Scalar) -> bool:
    """As JSON compares: 1 is 1.0, but neither is true."""
    return isinstance(value, bool) is isinstance(wanted, bool) and bool(value == wanted)


def _unfit(value: Any, wanted: JsonExpected) -> str | None:
    if not isinstance(wanted, JsonExpect):
        return None if _same(value, wanted) else f"expected {_shown(wanted)}"
    if wanted.exists is False:
        return "expected nothing there"
    if wanted.matches is not None:
        text = value if isinstance(value, str) else None if isinstance(value, dict | list) else json.dumps(value)
        if text is None or compiled(wanted.matches).search(text) is None:
            return f"which does not match {wanted.matches!r}"
    if wanted.min is None and wanted.max is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "expected a number"
    if wanted.min is not None and not value >= wanted.min:
        return f"expected {wanted.min:g} or more"
    if wanted.max is not None and not value <= wanted.max:
        return f"expected {wanted.max:g} or less"
    return None


def _shown(value: Any, hide: Hide = str) -> str:
    if isinstance(value, dict | list):
        return f"a {type(value).__name__}"
    text = json.dumps(hide(value) if isinstance(value, str) else value)  # before it is cut: half a secret is one, too
    return text if len(text) <= MAX_SHOWN_CHARACTERS else text[:MAX_SHOWN_CHARACTERS] + "..."
