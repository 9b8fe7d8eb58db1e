"""Settings before validation: plain values that remember where they were written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

Step: TypeAlias = str | int
Path_: TypeAlias = tuple[Step, ...]
Source: TypeAlias = Literal["file", "variable", "secrets file", "flag"]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value was written: `place` is `monitor.yaml:12`, `MONITOR_REGION` or `--listen`."""

    place: str
    path: Path_ = ()
    source: Source = "file"
    plain: str | None = None  # a scalar as it stands in the file, if it stands there without quotes


@dataclass(frozen=True, slots=True)
class Node:
    """`value` is a scalar, a dict of str to Node, or a list of Nodes."""

    value: Any
    origin: Origin

    def child(self, step: Step) -> Node | None:
        if isinstance(self.value, dict):
            found = self.value.get(step)
            return found if isinstance(found, Node) else None
        if isinstance(self.value, list) and isinstance(step, int) and 0 <= step < len(self.value):
            item: Node = self.value[step]
            return item
        return None

    def at(self, path: Path_) -> Node | None:
        node: Node | None = self
        for step in path:
            node = node.child(step) if node else None
        return node

    def nearest(self, path: Path_) -> tuple[Node, Path_]:
        """The deepest node on the way to `path`, and the steps that lead to it."""
        node = self
        for length, step in enumerate(path):
            below = node.child(step)
            if below is None:
                return node, path[:length]
            node = below
        return node, path

    def children(self) -> Iterator[tuple[Step, Node]]:
        if isinstance(self.value, dict):
            yield from self.value.items()
        elif isinstance(self.value, list):
            yield from enumerate(self.value)

    def plain(self) -> Any:
        """The values alone, as pydantic wants them."""
        if isinstance(self.value, dict):
            return {key: child.plain() for key, child in self.value.items()}
        if isinstance(self.value, list):
            return [child.plain() for child in self.value]
        return self.value

    def with_value(self, value: Any) -> Node:
        return replace(self, value=value)

    def changed(self, changes: Mapping[Path_, Any]) -> Node:
        """This tree with other values at these paths, which must exist."""
        if not changes:
            return self
        if () in changes:
            return self.with_value(changes[()])
        below: dict[Step, dict[Path_, Any]] = {}
        for path, value in changes.items():
            below.setdefault(path[0], {})[path[1:]] = value
        children = {step: child.changed(below.get(step, {})) for step, child in self.children()}
        return self.with_value(children if isinstance(self.value, dict) else list(children.values()))


def sections(root: Node, path: Path_) -> Iterator[tuple[Step, Node]]:
    """The items of the list or mapping at `path` that are sections."""
    node = root.at(path)
    for step, item in node.children() if node else ():
        if isinstance(item.value, dict):
            yield step, item


def node_of(value: Any, origin: Origin) -> Node:
    """Plain data as a tree in which every value has the same origin."""
    if isinstance(value, dict):
        return Node({str(key): node_of(item, origin) for key, item in value.items()}, origin)
    if isinstance(value, list | tuple):
        return Node([node_of(item, origin) for item in value], origin)
    return Node(value, origin)


def placed(node: Node, path: Path_) -> Node:
    """The tree as the one that stands at `path` of the settings."""
    value = node.value
    if isinstance(value, dict):
        value = {key: placed(item, (*path, key)) for key, item in value.items()}
    elif isinstance(value, list):
        value = [placed(item, (*path, index)) for index, item in enumerate(value)]
    return Node(value, replace(node.origin, path=path))


def field_text(path: Path_, root: Node | None = None) -> str:
    """`targets[api].tls.grade`; a target is called by its name where it has one that can be shown."""
    text = ""
    for length, step in enumerate(path):
        if isinstance(step, int):
            text += f"[{_item_name(root, path[: length + 1])}]"
        else:
            text += f".{step}" if text else str(step)
    return text


def _item_name(root: Node | None, path: Path_) -> str:
    name = root.at((*path, "name")) if root else None
    if name and isinstance(name.value, str) and 0 < len(name.value) <= 60 and name.value.isprintable():
        return name.value
    return str(path[-1])
