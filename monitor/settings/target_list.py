"""Settings without a settings file: a list of addresses, one a line."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from monitor.errors import UserError
from monitor.redact import redact
from monitor.settings.document import Unreadable, read_text
from monitor.settings.explain import problems_of
from monitor.settings.load import settings_of_tree
from monitor.settings.model import Settings
from monitor.settings.node import Node, Origin, node_of
from monitor.settings.problem import Problem, shown
from probes.quantity import format_duration
from probes.target import Target, TargetOptions

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._:/@-]+")


def settings_of_target_list(
    path: Path,
    every: timedelta | str = "10s",
    ca_file: Path | None = None,
    listen: str | None = None,
    data: Path | None = None,
    *,
    environ: Mapping[str, str] = os.environ,
) -> Settings:
    """Probe each address of the file (blank lines and # comments aside); pages go to `pages.jsonl` in the data folder.

    Variables and a secrets folder override as they do a settings file. Raises UserError with a line for each mistake.
    """
    try:
        text = read_text(path)
    except Unreadable as unreadable:
        raise UserError(str(unreadable.problem)) from None
    targets, problems = _targets(path, text)
    pages = (data or Path(environ.get("MONITOR_DATA", "data"))).absolute() / "pages.jsonl"
    sink = {"routes": {"default": {"driver": "sink", "file": str(pages)}}}
    interval = format_duration(every) if isinstance(every, timedelta) else every
    options: dict[str, Node] = {"every": node_of(interval, Origin("--every", source="flag"))}
    if ca_file is not None:
        options["tls"] = node_of({"ca_file": str(ca_file.absolute())}, Origin("--ca-file", source="flag"))
    own = Origin(str(path))
    document = Node(
        {"targets": targets, "defaults": Node(options, own), "pagerduty": node_of(sink, own)},
        own,
    )
    return settings_of_tree(document, Path(), problems, listen=listen, data=data, environ=environ).settings


def _targets(path: Path, text: str) -> tuple[Node, list[Problem]]:
    items: list[Node] = []
    problems: list[Problem] = []
    lines: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        url = line.partition(" #")[0].strip()
        if not url or url.startswith("#"):
            continue
        place = f"{path}:{number}"
        if url in lines:
            problems.append(Problem(place, "", f"{shown(url)} is already on line {lines[url]}; remove one of the two"))
            continue
        lines[url] = number
        target: dict[str, Any] = {"name": name_of(url), "url": url}
        items.append(node_of(target, Origin(place)))
    return Node(items, Origin(str(path))), problems


def target_of_url(url: str, defaults: TargetOptions) -> Target:
    """A target without a settings file around it. Raises UserError when the address cannot be probed."""
    from probes.address import mistake_in

    place = shown(redact(url))
    node = node_of({"name": name_of(url), "url": url}, Origin(place))
    try:
        target = Target.model_validate(node.plain())
    except ValidationError as error:
        raise UserError(*(f"{place}: {problem.text}" for problem in problems_of(error, node))) from None
    mistake = mistake_in(url)
    if mistake:
        raise UserError(f"{place}: {mistake}")
    return target.with_defaults(defaults)


def name_of(url: str) -> str:
    """The address as a target's name: without its query, which may hold a secret, and told apart by a short hash where
    something had to go. The same address always has the same name, whatever else is in the list."""
    bare = url.partition("?")[0].partition("#")[0]
    name = _NOT_IN_NAMES.sub("-", bare)[:180].strip("-") or "target"
    return name if name == url else f"{name}-{hashlib.sha256(url.encode()).hexdigest()[:8]}"
