"""The steps of a runbook: its task lists, with the attributes, commands and expectations that stand in them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from graphlib import CycleError, TopologicalSorter

from markdown_it import MarkdownIt
from markdown_it.token import Token

from alerts.runbook.fields import IDENTIFIER, CommandFields, Problem, nearest, read_command
from alerts.text import one_line
from probes.quantity import parse_duration

MAX_STEPS = 200
ATTRIBUTES = ["id", "limit", "needs", "approve", "role"]
TASK = re.compile(r"\[[ xX]\][ \t]+(?=\S)")
_ATTRIBUTE = re.compile(r"([A-Za-z_]+)=(.*)", re.DOTALL)
_EXPECT = re.compile(r"^[ \t]*Expect:[ \t]*(\S.*)$", re.MULTILINE)
_FIRST_LINE_CHARACTERS = 1000
_EXAMPLE = "write such as - [ ] **See what uses the space** `id=usage` `limit=5m`"


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """`fields.run` says who may execute it: a person by hand (`manual`), anybody, or somebody after an approval."""

    text: str
    language: str
    line: int
    fields: CommandFields


@dataclass(frozen=True, slots=True, kw_only=True)
class RunbookStep:
    id: str
    title: str
    line: int
    limit: timedelta | None = None  # how long it should take
    needs: tuple[str, ...] = ()  # ids of the steps that come before it
    approve: str | None = None  # the role that approves it
    role: str | None = None  # the role that does it
    commands: tuple[Command, ...] = ()
    expect: str | None = None  # what is seen when it worked


@dataclass(slots=True)
class _Task:
    line: int
    title: str = ""
    attributes: dict[str, str] = field(default_factory=dict)
    commands: list[Command] = field(default_factory=list)
    expect: str | None = None


def read_steps(tokens: Sequence[Token]) -> tuple[tuple[RunbookStep, ...], list[Problem], list[Problem]]:
    """The steps, what is wrong with them, and what may be better. A step with a mistake is there, without that part."""
    problems: list[Problem] = []
    tasks = list(_tasks(tokens, problems))
    if len(tasks) > MAX_STEPS:
        text = f"{len(tasks)} steps are more than {MAX_STEPS}; make runbooks of their parts"
        return (), [Problem(tasks[MAX_STEPS].line, text)], []
    ids, hints = _ids(tasks, problems)
    steps = tuple(_step(task, id, problems) for task, id in zip(tasks, ids, strict=True))
    _check_needs(steps, problems)
    return steps, problems, hints


def _tasks(tokens: Sequence[Token], problems: list[Problem]) -> Iterator[_Task]:
    """Each list item that begins with `[ ]`. What stands in an item within it that is no task belongs to it too."""
    open_items: list[_Task | None] = []
    for index, token in enumerate(tokens):
        if token.type == "list_item_open":
            task = _begin(tokens, index, problems)
            open_items.append(task)
            if task is not None:
                yield task
        elif token.type == "list_item_close":
            open_items.pop()
        elif token.type in ("fence", "inline"):
            task = next((item for item in reversed(open_items) if item is not None), None)
            if task is not None and token.type == "fence":
                task.commands.append(_command(token, problems))
            elif task is not None and task.expect is None and (found := _EXPECT.search(token.content)):
                task.expect = one_line(found[1])


def _begin(tokens: Sequence[Token], index: int, problems: list[Problem]) -> _Task | None:
    inline = tokens[index + 2] if len(tokens) > index + 2 else None
    marker = TASK.match(inline.content) if inline is not None and inline.type == "inline" else None
    if inline is None or marker is None:
        return None
    task = _Task(line=_line(inline))
    first_line = inline.content[marker.end() :].partition("\n")[0][:_FIRST_LINE_CHARACTERS]
    _read_first_line(task, first_line, problems)
    return task


def _read_first_line(task: _Task, text: str, problems: list[Problem]) -> None:
    """Attributes stand behind a bold title; without one the whole line is the title, code and all."""
    parts = [part for part in _INLINE.parseInline(text)[0].children or [] if part.type != "text" or part.content]
    bold = bool(parts) and parts[0].type == "strong_open"
    end = next((index for index, part in enumerate(parts) if part.type == "strong_close"), 0) if bold else len(parts)
    task.title = one_line("".join(part.content for part in parts[:end]), 200) or "(no title)"
    codes = [part.content for part in (parts[end:] if bold else parts) if part.type == "code_inline"]
    for code in codes:
        match = _ATTRIBUTE.fullmatch(code)
        if match is None:
            continue
        name, value = match.groups()
        if not bold:
            if name in ATTRIBUTES:
                problems.append(Problem(task.line, f"{name}= has no bold title before it; {_EXAMPLE}"))
        elif name not in ATTRIBUTES:
            problems.append(Problem(task.line, f"{one_line(name, 60)}= is no attribute; {nearest(name, ATTRIBUTES)}"))
        elif name in task.attributes:
            problems.append(Problem(task.line, f"{name}= stands twice; keep one"))
        else:
            task.attributes[name] = value.strip()


def _command(token: Token, problems: list[Problem]) -> Command:
    language, _, rest = token.info.strip().partition(" ")
    fields = CommandFields()
    if rest.lstrip().startswith("{"):
        fields, wrong = read_command(rest.strip(), _line(token))
        problems.extend(wrong)
    return Command(text=token.content, language=one_line(language, 40), line=_line(token), fields=fields)


def _ids(tasks: Sequence[_Task], problems: list[Problem]) -> tuple[list[str], list[Problem]]:
    """Every task's id, all different: its own, or one made of its title."""
    lines: dict[str, int] = {}
    for task in tasks:
        own = task.attributes.pop("id", None)
        if own is None:
            continue
        if not re.match(IDENTIFIER, own):
            problems.append(
                Problem(task.line, f"id={one_line(own, 60)} is no id; write letters, digits, '.', '_', '-'")
            )
        elif own in lines:
            problems.append(Problem(task.line, f"id={own} stands in line {lines[own]} already; ids differ"))
        else:
            lines[own] = task.line
            task.attributes["id"] = own
    hints = []
    for number, task in enumerate(tasks, 1):
        if "id" not in task.attributes:
            stem = _slug(task.title) or f"step-{number}"
            id = next(id for id in (stem, *(f"{stem}-{n}" for n in range(2, len(tasks) + 2))) if id not in lines)
            lines[id] = task.line
            task.attributes["id"] = id
            hints.append(
                Problem(task.line, f"the step has no id; write `id={id}`, so that its history survives a new title")
            )
    return [task.attributes["id"] for task in tasks], hints


def _step(task: _Task, id: str, problems: list[Problem]) -> RunbookStep:
    limit = None
    if "limit" in task.attributes:
        try:
            limit = parse_duration(task.attributes["limit"])
        except ValueError as error:
            problems.append(Problem(task.line, f"limit: {one_line(str(error))}"))
    return RunbookStep(
        id=id,
        title=task.title,
        line=task.line,
        limit=limit,
        needs=tuple(name.strip() for name in task.attributes.get("needs", "").split(",") if name.strip()),
        approve=one_line(task.attributes.get("approve", ""), 60) or None,
        role=one_line(task.attributes.get("role", ""), 60) or None,
        commands=tuple(task.commands),
        expect=task.expect,
    )


def _check_needs(steps: Sequence[RunbookStep], problems: list[Problem]) -> None:
    lines = {step.id: step.line for step in steps}
    for step in steps:
        for name in step.needs:
            if name not in lines:
                unknown = f"needs={one_line(name, 60)}: there is no such step; {nearest(name, list(lines))}"
                problems.append(Problem(step.line, unknown))
    try:
        TopologicalSorter({step.id: [name for name in step.needs if name in lines] for step in steps}).prepare()
    except CycleError as error:
        circle = error.args[1]
        problems.append(
            Problem(lines[circle[0]], f"steps need each other in a circle: {' needs '.join(reversed(circle))}")
        )


def _slug(title: str) -> str:
    """An id made of a title; empty when nothing of the title can be part of one."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:48].strip("-")


def _line(token: Token) -> int:
    return token.map[0] + 1 if token.map else 1


_INLINE = MarkdownIt("commonmark", {"html": False})
