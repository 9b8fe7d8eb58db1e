"""The two places of a runbook that are data: its YAML front matter and the JSON behind a command's language."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from alerts.text import one_line
from probes.quantity import Duration

Name = Annotated[str, Field(min_length=1, max_length=200)]
Names = Annotated[tuple[Name, ...], Field(strict=False, max_length=100)]
IDENTIFIER = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$"
MAX_BYTES = 1_048_576
MAX_LINES = 20_000
FRONT_MATTER_CHARACTERS = 16_384

# What would be right, for each field whose type alone does not say it.
_RIGHT = {
    "runbook": "write the version of this format, 1",
    "id": "write letters, digits, '.', '_' and '-', such as disk-full; a number or yes/no wants quotes",
    "alerts": 'write a list, such as [outage, "burn_*"]',
    "severity": "write a list, such as [SEV-1, SEV-2]",
    "reviewed": "write a date without quotes, such as 2026-10-01",
    "name": "write letters, digits, '.', '_' and '-', such as usage",
    "run": "write manual (never executed), read-only or approve",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """`line` is that of the file, from 1."""

    line: int
    text: str


class FrontMatter(BaseModel):
    """What stands above a runbook. Strict: YAML would make a number of `id: 123` and True of `owner: yes`."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    runbook: Annotated[int, Field(ge=1, le=1)]
    id: Annotated[str, Field(pattern=IDENTIFIER)] | None = None
    title: Name | None = None
    owner: Name | None = None
    alerts: Names = ()
    severity: Names = ()
    service: Name | None = None
    reviewed: date | None = None
    review_every: Duration | None = None


class CommandFields(BaseModel):
    """What stands behind a command's language, as `runme` reads it. What other tools put there is passed over."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)

    name: Annotated[str, Field(pattern=IDENTIFIER)] | None = None
    run: Literal["manual", "read-only", "approve"] = "manual"
    timeout: Duration | None = None


_ALIAS = "an alias is not taken here; write the value out"


class _Loader(yaml.SafeLoader):
    """YAML without aliases: a few lines of them can stand for gigabytes."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            alias = self.get_event()  # type: ignore[no-untyped-call]
            raise yaml.MarkedYAMLError(problem=_ALIAS, problem_mark=alias.start_mark if alias else None)
        return super().compose_node(parent, index)


def read_front_matter(text: str, first_line: int) -> tuple[dict[str, Any], FrontMatter | None, list[Problem]]:
    """The raw fields; the checked ones when `runbook` is among them; what is wrong.

    Front matter without `runbook` belongs to another tool (Hugo's `title` and `weight`, say): it is only read.
    """
    if len(text) > FRONT_MATTER_CHARACTERS:
        return {}, None, [Problem(first_line, f"front matter is longer than {FRONT_MATTER_CHARACTERS} characters")]
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        raw = loader.construct_document(node) if node is not None else None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line if error.problem_mark else 0
        return {}, None, [Problem(first_line + line, f"front matter is not YAML: {one_line(str(error.problem))}")]
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError) as error:
        return {}, None, [Problem(first_line, f"front matter is not YAML: {one_line(str(error))}")]
    if not isinstance(raw, dict) or not isinstance(node, yaml.MappingNode):
        return {}, None, [Problem(first_line, "front matter is not a list of fields; write `runbook: 1` and the like")]
    if "runbook" not in raw:
        return raw, None, []
    problems = list(_twice(node, first_line))
    try:
        return raw, FrontMatter.model_validate(raw), problems
    except ValidationError as error:
        lines = {key.value: first_line + key.start_mark.line for key, _ in node.value}
        problems += _problems(error, lines, first_line, FrontMatter)
        return raw, None, problems


def read_command(text: str, line: int) -> tuple[CommandFields, list[Problem]]:
    """`text` begins with a brace."""
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError) as error:
        return CommandFields(), [Problem(line, f"{_shown(text)} is not JSON ({error}); {_COMMAND_EXAMPLE}")]
    try:
        return CommandFields.model_validate(raw), []
    except ValidationError as error:
        return CommandFields(), _problems(error, {}, line, CommandFields)


_COMMAND_EXAMPLE = 'write one such as {"name":"usage","run":"read-only","timeout":"30s"}'


def nearest(name: str, known: list[str]) -> str:
    """What a misspelt name was meant to be, as a piece of a sentence."""
    close = get_close_matches(name, known, 1)
    return f"did you mean {close[0]}?" if close else f"known: {', '.join(known) or 'none'}"


def _twice(node: yaml.MappingNode, first_line: int) -> Iterator[Problem]:
    seen: dict[str, int] = {}
    for key, _ in node.value:
        line = first_line + key.start_mark.line
        if isinstance(key.value, str) and seen.setdefault(key.value, line) != line:
            yield Problem(line, f"{one_line(key.value)} stands twice, first in line {seen[key.value]}; keep one")


def _problems(error: ValidationError, lines: Mapping[str, int], line: int, model: type[BaseModel]) -> list[Problem]:
    found = []
    for one in error.errors(include_url=False):
        field = str(one["loc"][0]) if one["loc"] else ""
        if one["type"] == "extra_forbidden":
            text = f"there is no such field; {nearest(field, list(model.model_fields))}"
        elif one["type"] == "value_error":
            text = one["msg"].removeprefix("Value error, ")
        else:
            text = (
                f"{_shown(one['input'])} is wrong; {_RIGHT.get(field, 'write text, in quotes if it looks otherwise')}"
            )
        found.append(Problem(lines.get(field, line), f"{one_line(field, 60)}: {text}"))
    return found


def _shown(value: object) -> str:
    try:
        return one_line(repr(value), 80)
    except ValueError:  # Python refuses to write out an integer of thousands of digits
        return "a huge number"
