"""The settings file as a tree that knows the line of every value; bounded in its size and in what it unfolds to."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from monitor.settings.node import Node, Origin, Path_, field_text
from monitor.settings.problem import Problem
from monitor.settings.traps import silent_traps

MAX_BYTES = 4 * 1024 * 1024
MAX_REPEATED = 50_000  # values that stand in the file once and come again through aliases
MAX_DEPTH = 100
_MERGE = "tag:yaml.org,2002:merge"
_TOO_DEEP = "is nested too deeply to be a settings file; see whether a bracket is never closed"
_DEPTH: dict[type, int] = {
    yaml.MappingStartEvent: 1,
    yaml.SequenceStartEvent: 1,
    yaml.MappingEndEvent: -1,
    yaml.SequenceEndEvent: -1,
}
# What PyYAML says quotes the user's text only as an alias or a tag; punctuation and its own token names may stay.
_QUOTED_TEXT = re.compile(r"'(?!<[a-z ]+>'|[^\w\s]')[^']*'|\"[^\"]*\"")
_REMEDIES = (
    ("cannot start any token", "indent with spaces, and quote a value that begins with a tab, @, ` or %"),
    ("mapping values are not allowed", "quote a value that contains ': ', or put the indentation right"),
    ("undefined alias", "quote a value that begins with *"),
    ("constructor for the tag", "quote a value that begins with !"),
    ("expected ':'", "a colon is missing, or the indentation is wrong"),
    ("block end", "the indentation differs from the lines above, or a value needs quotes"),
    ("flow", "a comma or a closing bracket is missing"),
    ("','", "a comma or a closing bracket is missing"),
    ("end of stream", "a quote or a bracket is never closed"),
    ("single document", "only one document a file; remove the second '---'"),
)


class Unreadable(Exception):
    """The file could not be read as YAML at all; nothing else can be said of it."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


def read_document(path: Path) -> tuple[Node, list[Problem]]:
    """The file as a tree, with the mistakes that only its text shows. Raises Unreadable."""
    text = read_text(path)
    loader = _loader(path, text)
    try:
        root = loader.get_single_node()
        if root is None:
            raise Unreadable(Problem(str(path), "", "is empty; docs/examples/monitor.yaml shows what belongs in it"))
        builder = _Builder(str(path), loader)
        tree = builder.build(root, (), root.start_mark.line)
    except yaml.MarkedYAMLError as error:
        raise Unreadable(_yaml_problem(path, error)) from None
    except yaml.YAMLError as error:
        raise Unreadable(Problem(str(path), "", f"is not YAML: {_bare(str(error))}")) from None
    except RecursionError:
        raise Unreadable(Problem(str(path), "", _TOO_DEEP)) from None
    finally:
        loader.dispose()
    if not isinstance(tree.value, dict):
        raise Unreadable(
            Problem(tree.origin.place, "", "must be fields and their values, such as `targets:` and a list")
        )
    return tree, builder.problems


def read_text(path: Path) -> str:
    """The file's text, bounded and free of control characters. Raises Unreadable."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        reason = (error.strerror or "unreadable").lower()
        raise Unreadable(Problem(str(path), "", f"cannot be read: {reason}; name a file that can be read")) from None
    if len(content) > MAX_BYTES:
        raise Unreadable(Problem(str(path), "", f"is larger than {MAX_BYTES // 1024 // 1024} MiB; no settings file is"))
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise Unreadable(Problem(f"{path}:{line}", "", "is not UTF-8 text; save the file as UTF-8")) from None
    control = yaml.reader.Reader.NON_PRINTABLE.search(text)
    if control:
        line, code = text.count("\n", 0, control.start()) + 1, ord(control.group())
        raise Unreadable(
            Problem(f"{path}:{line}", "", f"has the character U+{code:04X}, which YAML refuses; remove it")
        )
    return text


def _loader(path: Path, text: str) -> Any:
    """libyaml's loader is several times as fast, but overflows the stack of the process on deep nesting, and what it
    says of mistakes is poorer: those are left to Python's."""
    fast = getattr(yaml, "CSafeLoader", None)
    depth = 0
    try:
        for event in yaml.parse(text, Loader=fast) if fast else ():
            depth += _DEPTH.get(type(event), 0)
            if depth > MAX_DEPTH:
                line = event.start_mark.line + 1 if event.start_mark else 1
                raise Unreadable(Problem(f"{path}:{line}", "", _TOO_DEEP))
        return (fast or yaml.SafeLoader)(text)
    except yaml.YAMLError:
        return yaml.SafeLoader(text)


def _yaml_problem(path: Path, error: yaml.MarkedYAMLError) -> Problem:
    mark = error.problem_mark or error.context_mark
    place = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
    what = _bare(error.problem or "is broken")
    if error.context and error.context_mark and mark and error.context_mark.line != mark.line:
        what += f", {_bare(error.context)} that begins on line {error.context_mark.line + 1}"
    remedy = next((text for sign, text in _REMEDIES if sign in what), "see the line and the one above it")
    return Problem(place, "", f"is not YAML: {what}; {remedy}")


def _bare(text: str) -> str:
    """What PyYAML says, without the words it took from the file: they may be a secret."""
    return _QUOTED_TEXT.sub("…", text.partition("\n")[0])


class _Builder:
    def __init__(self, path: str, loader: Any) -> None:
        self.path = path
        self.loader = loader
        self.problems: list[Problem] = []
        self._repeated = 0
        self._seen: set[int] = set()
        self._open: set[int] = set()

    def build(self, node: yaml.Node, path: Path_, line: int) -> Node:
        self._repeated += id(node) in self._seen
        self._seen.add(id(node))
        if self._repeated > MAX_REPEATED or id(node) in self._open:
            raise yaml.MarkedYAMLError(problem="its aliases unfold without end", problem_mark=node.start_mark)
        origin = Origin(f"{self.path}:{line + 1}", path)
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode):
                return Node(self._mapping(node, path), origin)
            if isinstance(node, yaml.SequenceNode):
                items = enumerate(node.value)
                return Node([self.build(item, (*path, index), item.start_mark.line) for index, item in items], origin)
            return self._scalar(node, origin)
        finally:
            self._open.discard(id(node))

    def _mapping(self, node: yaml.MappingNode, path: Path_) -> dict[str, Node]:
        own: dict[str, Node] = {}
        under: dict[str, Node] = {}
        lines: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line
            if not isinstance(key, yaml.ScalarNode):
                self._report(line, path, "a field's name must be plain text")
            elif key.tag == _MERGE:
                under.update(self._merged(value, path, line))
            elif key.value in own:
                self._report(line, (*path, key.value), f"is given twice; the first is on line {lines[key.value] + 1}")
            else:
                lines[key.value] = line
                own[key.value] = self.build(value, (*path, key.value), line)
        return under | own

    def _merged(self, value: yaml.Node, path: Path_, line: int) -> dict[str, Node]:
        if isinstance(value, yaml.MappingNode):
            merged: dict[str, Node] = self.build(value, path, value.start_mark.line).value
            return merged
        self._report(line, path, "`<<` takes one alias of a mapping, such as `<<: *common`")
        return {}

    def _scalar(self, node: yaml.Node, origin: Origin) -> Node:
        assert isinstance(node, yaml.ScalarNode)  # YAML has no fourth kind of node
        plain = None if node.style else node.value
        try:
            value: Any = self.loader.construct_object(node)
        except (ValueError, AttributeError, LookupError):  # a tag such as !!int before what is none
            value = node.value
        self.problems += [
            Problem(origin.place, field_text(origin.path), text) for text in silent_traps(value, plain, origin.path)
        ]
        return Node(value, Origin(origin.place, origin.path, plain=plain))

    def _report(self, line: int, path: Path_, text: str) -> None:
        self.problems.append(Problem(f"{self.path}:{line + 1}", field_text(path), text))
