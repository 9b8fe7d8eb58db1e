"""Layers of settings over each other, and defaults under targets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from monitor.settings.model import Settings
from monitor.settings.node import Node, Path_, Step, field_text, placed
from monitor.settings.problem import Problem
from probes.target import Target


def overlay(under: Node, over: Node, path: Path_ = ()) -> tuple[Node, list[Problem]]:
    """`over` wins, section by section.

    Names match as far as a variable can spell them: X_API_KEY is X-Api-Key. An item of a list goes by its index or its
    target's name.
    """
    if not isinstance(over.value, dict) or not isinstance(under.value, dict | list):
        return placed(over, path), []
    changed: Any = dict(under.value) if isinstance(under.value, dict) else list(under.value)
    problems: list[Problem] = []
    for name, item in over.value.items():
        step = _step(under, name)
        if step is None:
            names = f"its targets are 0 to {len(changed) - 1}, or go by name" if changed else "the list is empty"
            problems.append(
                Problem(item.origin.place, field_text((*path, name)), f"names no item of the list; {names}")
            )
            continue
        below = under.child(step)
        merged, deeper = overlay(below, item, (*path, step)) if below else (placed(item, (*path, step)), [])
        problems += deeper
        if isinstance(changed, list) and step == len(changed):
            changed.append(merged)
        else:
            changed[step] = merged
    return under.with_value(changed), problems


def _step(under: Node, name: str) -> Step | None:
    if isinstance(under.value, dict):
        if name in under.value:
            return name
        alike = [key for key in under.value if _as_variable(key) == _as_variable(name)]
        return alike[0] if alike else name
    if name.isdecimal():
        return int(name) if int(name) <= len(under.value) else None
    for index, item in under.children():
        called = item.child("name")
        if called and isinstance(called.value, str) and _as_variable(called.value) == _as_variable(name):
            return index
    return None


def _as_variable(name: str) -> str:
    """`api.example-1` as a variable can spell it: API_EXAMPLE_1 in small letters."""
    return re.sub(r"[^a-z0-9]+", "_", name.casefold())


def with_defaults(root: Node) -> Node:
    """Each target with what it does not say itself taken from `defaults`, as Target.with_defaults does it."""
    defaults, targets = root.child("defaults"), root.child("targets")
    if not defaults or not targets or not isinstance(defaults.value, dict) or not isinstance(targets.value, list):
        return root
    merged = [
        _under(Target, defaults, target) if isinstance(target.value, dict) else target for target in targets.value
    ]
    return root.with_value({**root.value, "targets": targets.with_value(merged)})


def _under(model: type[BaseModel], defaults: Node, target: Node) -> Node:
    """Sections that are models are merged field by field; a mapping of the user's own names is replaced whole."""
    fields = dict(defaults.value)
    for name, own in target.value.items():
        section, below = section_of(model, name), fields.get(name)
        both = isinstance(own.value, dict) and below is not None and isinstance(below.value, dict)
        both = both and not _is_mapping(model, name)
        fields[name] = _under(section, below, own) if section and both and below else own
    return target.with_value(fields)


def section_of(model: type[BaseModel], name: Step) -> type[BaseModel] | None:
    """The model of the section called `name` in `model`, or of the sections in that mapping or list."""
    field = _field(model, name)
    types = _types_in(field.annotation) if field else ()
    return next((t for t in types if isinstance(t, type) and issubclass(t, BaseModel)), None)


def _types_in(annotation: Any) -> Iterator[Any]:
    yield annotation
    for inner in get_args(annotation):
        yield from _types_in(inner)


def _is_mapping(model: type[BaseModel], name: Step) -> bool:
    field = _field(model, name)
    return field is not None and get_origin(field.annotation) is dict


def model_at(path: Path_) -> type[BaseModel] | None:
    """The model of the section at `path` of the settings; None where the names are the user's own."""
    model: type[BaseModel] | None = Settings
    own_name_next = False
    for step in path:
        if own_name_next:
            own_name_next = False
            continue
        if model is None:
            return None
        field = _field(model, step)
        own_name_next = field is not None and get_origin(field.annotation) in (dict, tuple)
        model = section_of(model, step)
    return None if own_name_next else model


def _field(model: type[BaseModel], name: Step) -> FieldInfo | None:
    return next((field for key, field in model.model_fields.items() if name in (key, field.alias)), None)
