"""pydantic's errors in plain words: what is wrong, and what would be right.

The input is repeated only where it cannot be a secret.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from pydantic import ValidationError

from monitor.settings.merge import model_at
from monitor.settings.node import Node, Path_, Step
from monitor.settings.problem import Problem, problem_at, shown
from monitor.settings.traps import trap_of
from probes.options import UNION_TAGS

Said: TypeAlias = dict[str, Any]

# Error type of pydantic -> what the value must be, given the error's context.
_MUST_BE: dict[str, Callable[[Said], str]] = {
    "string_type": lambda _: "text",
    "string_pattern_mismatch": lambda said: f"of the form {said['pattern']}",
    "int_type": lambda _: "a whole number",
    "int_parsing": lambda _: "a whole number",
    "int_from_float": lambda _: "a whole number",
    "float_type": lambda _: "a number",
    "bool_type": lambda _: "true or false",
    "bool_parsing": lambda _: "true or false",
    "path_type": lambda _: "the path of a file",
    "literal_error": lambda said: f"one of {said['expected']}",
    "greater_than_equal": lambda said: f"{said['ge']} or more",
    "less_than_equal": lambda said: f"{said['le']} or less",
}
_SECTION = {"model_type", "model_attributes_type", "dict_type", "dataclass_type"}
_TEXT = {"string_type", "string_pattern_mismatch", "literal_error", "path_type"}
_LIST = {"tuple_type", "list_type"}
_EMPTY = "is empty; write what belongs here, or remove the line"
LONGEST = 400
_UNSEEN = {"pagerduty", "store", "headers", "dialogue", "auth", "proxy"}  # there errors never repeat a value


def problems_of(error: ValidationError, root: Node) -> Iterator[Problem]:
    """One problem for each place and mistake, in the order of the settings."""
    for said in error.errors(include_url=False, include_input=False):
        loc: Path_ = tuple(step for step in said["loc"] if step not in UNION_TAGS)
        node, path = root.nearest(loc)
        kind = said["type"]
        if kind == "default_factory_not_called":  # told already of the field on which the default depends
            continue
        if kind == "missing":
            yield problem_at(root, loc, f"is missing; add `{loc[-1]}:` here")
        elif kind == "extra_forbidden":
            yield problem_at(root, loc, _unknown(loc[:-1], loc[-1]))
        elif kind == "timeout_over_every":
            yield _timeout_problem(root, loc, str(said["msg"]))
        elif loc[-1] == "[key]":
            yield problem_at(root, loc[:-1], f"the name must be {_MUST_BE[kind](said['ctx'])}")
        elif len(path) < len(loc):  # one of the types that a value may have; the others say the same
            yield problem_at(root, path, f"must be text, a number, true, false or null{_because(node)}")
        else:
            yield problem_at(root, loc, _wrong(kind, dict(said), node))


def _wrong(kind: str, said: Said, node: Node) -> str:
    context = said.get("ctx", {})
    if kind in _SECTION:
        return _EMPTY if node.value is None else "must be a section of fields"
    if kind in _LIST:
        return _EMPTY if node.value is None else "must be a list; write it as [a, b] or with one `- ` line an item"
    if kind in _MUST_BE:
        trap = _because(node) if kind in _TEXT else ""
        return f"{_value(node)}must be {_MUST_BE[kind](context)}{trap}"
    text = str(context["error"]) if "error" in context else str(said["msg"])
    return text[:LONGEST]


def _value(node: Node) -> str:
    scalar = not isinstance(node.value, dict | list) and node.value is not None
    return f"{shown(node.value)} " if scalar and _seen(node) else ""


def _seen(node: Node) -> bool:
    return not _UNSEEN & set(node.origin.path)


def _timeout_problem(root: Node, loc: Path_, text: str) -> Problem:
    """Of a target's own interval and the timeout of all, the interval is what to look at."""
    timeout, every = root.at(loc), root.at((*loc[:-1], "every"))
    inherited = timeout is not None and timeout.origin.path != loc
    return problem_at(root, (*loc[:-1], "every") if inherited and every else loc, text)


def _because(node: Node) -> str:
    trap = trap_of(node, repeat=_seen(node))
    return f"; {trap}: quote it if text is meant" if trap else ""


def _unknown(section: Path_, name: Step) -> str:
    model = model_at(section)
    known = [field.alias or key for key, field in model.model_fields.items()] if model else []
    near = difflib.get_close_matches(str(name), known, n=1, cutoff=0.6)
    return (
        f"is not a field here; did you mean {near[0]}?"
        if near
        else f"is not a field here; known are {', '.join(known)}"
    )
