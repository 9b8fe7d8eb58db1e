"""One file, the environment, a secrets folder and flags become Settings, or every mistake in them at once."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from monitor.errors import UserError
from monitor.settings.cross import cross_problems
from monitor.settings.document import Unreadable, read_document
from monitor.settings.explain import problems_of
from monitor.settings.files import FILE_CHECKS
from monitor.settings.merge import overlay, with_defaults
from monitor.settings.model import Settings
from monitor.settings.node import Node, Origin, Path_, node_of
from monitor.settings.overrides import from_environment, from_secrets_folder, secrets_folder_of
from monitor.settings.problem import Problem
from monitor.settings.references import resolve_references
from probes.share import share_equal_parts


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings, and the variables, files and flags that overrode their file."""

    settings: Settings
    overrides: tuple[str, ...]


def load_settings(
    path: Path | None,
    *,
    listen: str | None = None,
    data: Path | None = None,
    resolve_secrets: bool | Callable[[str], bool] = True,
) -> Settings:
    """Flags over variables over secret files over the file over defaults. `resolve_secrets` may be a function that says
    by the name of a target whether its secrets are looked up; the others then stay references.

    Raises UserError with one line `place: field: what is wrong, what would be right` for each mistake.
    """
    return load(path, listen=listen, data=data, resolve_secrets=resolve_secrets).settings


def load(
    path: Path | None,
    *,
    listen: str | None = None,
    data: Path | None = None,
    resolve_secrets: bool | Callable[[str], bool] = True,
    environ: Mapping[str, str] = os.environ,
) -> Loaded:
    """As `load_settings`, and says what overrode the file."""
    try:
        document, problems = read_document(path) if path else (Node({}, Origin("settings")), [])
    except Unreadable as unreadable:
        raise UserError(str(unreadable.problem)) from None
    base = path.parent if path else Path()
    return settings_of_tree(
        document, base, problems, listen=listen, data=data, resolve_secrets=resolve_secrets, environ=environ
    )


def settings_of_tree(
    document: Node,
    base: Path,
    problems: list[Problem],
    *,
    listen: str | None,
    data: Path | None,
    environ: Mapping[str, str],
    resolve_secrets: bool | Callable[[str], bool] = True,
) -> Loaded:
    """The tree of a file, whose relative paths begin at `base`, with all that lies over it. Raises UserError with
    `problems` and every further mistake."""
    if "targets" not in document.value:
        none = Node([], replace(document.origin, path=("targets",)))
        document = document.with_value({**document.value, "targets": none})
    layers, found = _layers(document, base, listen, data, environ)
    problems = [*problems, *found]
    root = document
    for layer in layers:
        root, found = overlay(root, layer)
        problems += found
    root, found = resolve_references(root, environ, base, look_up=resolve_secrets)
    root = with_defaults(_with_absolute_paths(root, base))
    settings, mistakes = _validated(root, base)
    problems += [*found, *mistakes, *cross_problems(root)]
    if problems or settings is None:
        raise UserError(*dict.fromkeys(map(str, sorted(problems, key=_order))))
    return Loaded(settings, tuple(layer.origin.place for layer in layers))


def _layers(
    document: Node, base: Path, listen: str | None, data: Path | None, environ: Mapping[str, str]
) -> tuple[list[Node], list[Problem]]:
    """What lies over the file, lowest first."""
    folder = secrets_folder_of(environ, document, base)
    secret_files, problems = from_secrets_folder(folder) if folder else ([], [])
    variables, wrong = from_environment(environ)
    flags = []
    if listen is not None:
        flags.append(node_of({"web": {"listen": listen}}, Origin("--listen", source="flag")))
    if data is not None:
        flags.append(node_of({"data": str(data.absolute())}, Origin("--data", source="flag")))
    return [*secret_files, *variables, *flags], [*problems, *wrong]


def _validated(root: Node, folder: Path) -> tuple[Settings | None, list[Problem]]:
    try:
        settings = Settings.of_folder(folder, root.plain())
    except ValidationError as error:
        return None, list(problems_of(error, root))
    share_equal_parts(settings.targets)
    return settings, []


def _order(problem: Problem) -> tuple[str, int]:
    name, *numbers = problem.place.split(":")
    return name, int(numbers[0]) if numbers and numbers[0].isdecimal() else 0


def _with_absolute_paths(root: Node, base: Path) -> Node:
    """Relative paths of the file, and of what overrides it, begin at the file's own folder."""
    if "data" not in root.value:
        root = root.with_value({**root.value, "data": Node("data", replace(root.origin, path=("data",)))})
    paths: list[Path_] = [("data",), ("secrets_dir",), *(("defaults", *below) for below in FILE_CHECKS)]
    for section, endings in ((("pagerduty", "routes"), (("file",),)), (("targets",), FILE_CHECKS)):
        node = root.at(section)
        paths += [(*section, step, *below) for step, _ in node.children() for below in endings] if node else []
    changes: dict[Path_, Any] = {}
    for path in paths:
        node = root.at(path)
        if node and isinstance(node.value, str) and node.value:
            changes[path] = str((base / node.value).absolute())
    return root.changed(changes)
