"""A whole runbook: read, checked, and ready to be pinned to an incident.

A file whose front matter has `runbook: 1` is held to the format: every mistake is a problem. Any other Markdown is a
runbook too, to be read: its task lists are steps, and what looks like a mistake in them is a warning.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token
from mdit_py_plugins.front_matter import front_matter_plugin

from alerts.incident import RunbookPin, Step
from alerts.runbook.fields import MAX_BYTES, MAX_LINES, FrontMatter, Problem, read_front_matter
from alerts.runbook.steps import RunbookStep, read_steps
from alerts.text import one_line


class RunbookError(Exception):
    """The runbook cannot be used. Each of `problems` is `path:line: what is wrong, what would be right`."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True, kw_only=True)
class Runbook:
    """`text` is the very text of the file: as UTF-8 it has the hash `sha256` (hex)."""

    path: str
    title: str
    sha256: str
    text: str
    steps: tuple[RunbookStep, ...]
    front_matter: FrontMatter | None
    warnings: tuple[str, ...]

    @property
    def pin(self) -> RunbookPin:
        return RunbookPin(path=self.path, title=self.title, sha256=self.sha256)

    def todo(self) -> tuple[Step, ...]:
        """The steps of an incident that begins now."""
        return tuple(Step(id=step.id, title=step.title) for step in self.steps)


def read(file: Path, shown_as: str | None = None) -> Runbook:
    """The runbook in `file`, called `shown_as` in links and problems. Raises RunbookError."""
    path = shown_as or str(file)
    try:
        if not file.is_file():
            raise RunbookError([f"{path}: there is no such file; write the runbook, or correct the path"])
        with file.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise RunbookError([f"{path}: cannot be read: {error.strerror}"]) from None
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        if len(data) > MAX_BYTES:
            raise RunbookError([_too_large(path)]) from None
        line = data.count(b"\n", 0, error.start) + 1
        wrong = f"byte 0x{data[error.start]:02x} is not UTF-8; save the file as UTF-8"
        raise RunbookError([f"{path}:{line}: {wrong}"]) from None
    return parse(text, path)


def parse(text: str, path: str) -> Runbook:
    """Raises RunbookError and nothing else, whatever the text, in a second or two at most."""
    data = _checked_bytes(text, path)
    tokens = _BLOCKS.parse(text.removeprefix("\ufeff"))
    raw, front_matter, problems = _front_matter(tokens)
    steps, mistakes, hints = read_steps(tokens)
    strict = "runbook" in raw
    problems += mistakes if strict else []
    if problems:
        raise RunbookError(_lines(path, problems))
    title = raw.get("title")
    if not isinstance(title, str) or not title.strip():
        title = _heading(tokens) or PurePosixPath(path).stem
    return Runbook(
        path=path,
        title=one_line(title, 200),
        sha256=hashlib.sha256(data).hexdigest(),
        text=text,
        steps=steps,
        front_matter=front_matter,
        warnings=tuple(_lines(path, hints if strict else mistakes)),
    )


def _checked_bytes(text: str, path: str) -> bytes:
    """The text as UTF-8, if it is one that the parser and the store can take."""
    try:
        data = text.encode("utf-8")
    except UnicodeEncodeError as error:
        line = text.count("\n", 0, error.start) + 1
        raise RunbookError([f"{path}:{line}: a lone surrogate is no character; save the file as UTF-8"]) from None
    if len(data) > MAX_BYTES:
        raise RunbookError([_too_large(path)])
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise RunbookError([f"{path}:{line}: holds a NUL character; a runbook is text"])
    if max(text.count("\n"), text.count("\r")) > MAX_LINES:
        raise RunbookError([f"{path}:{MAX_LINES + 1}: has more than {MAX_LINES} lines; make runbooks of its parts"])
    return data


def _too_large(path: str) -> str:
    return f"{path}: is larger than {MAX_BYTES} bytes; make runbooks of its parts"


def _front_matter(tokens: Sequence[Token]) -> tuple[dict[str, Any], FrontMatter | None, list[Problem]]:
    if tokens and tokens[0].type == "front_matter":
        return read_front_matter(tokens[0].content, first_line=2)
    return {}, None, []


def _heading(tokens: Sequence[Token]) -> str | None:
    for token, inline in pairwise(tokens):
        if token.type == "heading_open" and inline.content.strip():
            return inline.content
    return None


def _lines(path: str, problems: Iterable[Problem]) -> list[str]:
    return [f"{path}:{problem.line}: {problem.text}" for problem in sorted(problems, key=lambda one: one.line)]


def _blocks() -> MarkdownIt:
    """Blocks only: inline rules take more than linear time on hostile text, and a runbook must never hold up a page.

    mdit_py_plugins.tasklists needs the inline rules, and takes time in the square of a list's length on top.
    """
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table").use(front_matter_plugin)
    markdown.core.ruler.enableOnly(["normalize", "block"])
    return markdown


_BLOCKS = _blocks()
