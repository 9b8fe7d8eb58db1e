"""What can only be said of the settings as a whole, or with a look at the disk.

Works on the tree, not on valid Settings, so that these mistakes are told together with those of single fields.
"""

from __future__ import annotations

import difflib
import ssl
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from monitor.settings.node import Node, Path_, Step
from monitor.settings.problem import Problem, problem_at, shown

TARGET_FILES: tuple[Path_, ...] = (("runbook",), ("tls", "ca_file"))


def cross_problems(root: Node) -> Iterator[Problem]:
    targets = root.child("targets")
    if targets is None or targets.value == []:
        yield problem_at(root, ("targets",), "there is nothing to probe; add at least one target with name and url")
    yield from _routes(root)
    yield from _duplicate_names(root)
    yield from _route_names(root)
    yield from _files(root)


def _sections(root: Node, path: Path_) -> Iterator[tuple[Step, Node]]:
    node = root.at(path)
    for step, item in node.children() if node else ():
        if isinstance(item.value, dict):
            yield step, item


def _routes(root: Node) -> Iterator[Problem]:
    for name, route in _sections(root, ("pagerduty", "routes")):
        for field, text in _route_mistakes({key: node.value for key, node in route.value.items()}):
            yield problem_at(root, ("pagerduty", "routes", name, field), text)


def _route_mistakes(route: dict[str, Any]) -> Iterator[tuple[str, str]]:
    driver, has_key, has_file = route.get("driver", "events-v2"), "routing_key" in route, "file" in route
    if driver == "sink":
        if not has_file:
            yield "file", "is missing; a sink needs the path of the file that takes its pages"
        if has_key:
            yield "routing_key", "a sink sends nothing and needs no key; remove the key, or the driver"
    elif driver in ("events-v1", "events-v2"):
        if not has_key:
            yield "routing_key", f"is missing; {driver} needs a key, as env:NAME or file:PATH"
        if has_file:
            yield "file", f"{driver} writes no file; remove it, or set driver: sink"


def _duplicate_names(root: Node) -> Iterator[Problem]:
    first: dict[str, str] = {}
    for index, target in _sections(root, ("targets",)):
        name = target.child("name")
        if name is None or not isinstance(name.value, str):
            continue
        if name.value in first:
            text = f"{shown(name.value)} is already the name of the target at {first[name.value]}; give each its own"
            yield problem_at(root, ("targets", index, "name"), text)
        first.setdefault(name.value, name.origin.place)


def _route_names(root: Node) -> Iterator[Problem]:
    routes = root.at(("pagerduty", "routes"))
    known = list(routes.value) if routes and isinstance(routes.value, dict) else []
    if not known:
        yield problem_at(root, ("pagerduty", "routes"), "there is no route; add `default: {routing_key: env:PD_KEY}`")
        return
    for index, target in _sections(root, ("targets",)):
        for field, default in (("route", "default"), ("ticket_route", None)):
            node = target.child(field)
            name = node.value if node else default
            if isinstance(name, str) and name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                remedy = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
                yield problem_at(root, ("targets", index, field), f"{shown(name)} is not in pagerduty.routes; {remedy}")


def _files(root: Node) -> Iterator[Problem]:
    checks: dict[str, Callable[[Path], tuple[str, ...]]] = {
        "runbook": cache(runbook_mistakes),
        "ca_file": cache(_ca_mistakes),
    }
    for index, target in _sections(root, ("targets",)):
        for path in TARGET_FILES:
            node = target.at(path)
            if node and isinstance(node.value, str):
                for text in checks[str(path[-1])](Path(node.value)):
                    yield problem_at(root, ("targets", index, *path), text)


def runbook_mistakes(path: Path) -> tuple[str, ...]:
    """What is wrong with a runbook: it cannot be read, or each complaint of its parser with its own file and line."""
    from alerts.runbook import RunbookError, parse

    try:
        parse(path.read_text(encoding="utf-8"), str(path))
    except RunbookError as error:
        return tuple(error.problems)
    except OSError as error:
        return (f"the runbook {path} cannot be read: {(error.strerror or 'unreadable').lower()}",)
    except UnicodeDecodeError:
        return (f"the runbook {path} is not UTF-8 text",)
    return ()


def _ca_mistakes(path: Path) -> tuple[str, ...]:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except ssl.SSLError:
        return (f"{path} holds no certificate in PEM form",)
    except OSError as error:
        return (f"{path} cannot be read: {(error.strerror or 'unreadable').lower()}",)
    return ()
