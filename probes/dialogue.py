"""A dialogue over tcp, tls or websocket, as a user writes it down: blackbox_exporter's query_response."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import Field, PlainSerializer, PlainValidator, SecretStr, WithJsonSchema, model_validator
from pydantic_core import PydanticKnownError

from probes.options import Model, Regex

StartTls = Literal["smtp", "imap", "pop3", "ftp", "ldap", "xmpp", "postgres", "mysql", "rdp"]
MASK = "***"
SHORTEST_SECRET = 4  # masking shorter ones would blank every third word
_GROUP = re.compile(r"\$(?:(?P<dollar>\$)|(?P<bare>\w+)|\{(?P<braced>\w+)\})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Spoken:
    """What to send: text in which `${1}` stands for a group of the last match, and secrets, which are sent as they
    are. Never shows a secret."""

    parts: tuple[str | SecretStr, ...]

    def filled(self, match: re.Match[str] | None) -> str:
        """A line: it gets a line feed unless it has one, as blackbox_exporter gives it."""
        text = self.message(match)
        return text if text.endswith("\n") else text + "\n"

    def message(self, match: re.Match[str] | None) -> str:
        """As it is, for what needs no end."""
        return "".join(
            part.get_secret_value()
            if isinstance(part, SecretStr)
            else _GROUP.sub(lambda found: _value(found, match), part)
            for part in self.parts
        )

    def groups(self) -> Iterator[str]:
        """The names and numbers of the groups that it wants of the last match."""
        for part in self.parts:
            if isinstance(part, str):
                yield from (name for found in _GROUP.finditer(part) if (name := _name(found)))

    def secrets(self) -> Iterator[str]:
        """What of it must not be shown: the secrets, and each word of them, since a server may repeat one."""
        for part in self.parts:
            if isinstance(part, SecretStr):
                yield from (word for word in {part.get_secret_value(), *part.get_secret_value().split()} if word)

    def __str__(self) -> str:
        return "".join(part if isinstance(part, str) else MASK for part in self.parts)


def _name(found: re.Match[str]) -> str | None:
    name: str | None = found["bare"] or found["braced"]
    return name


def _value(found: re.Match[str], match: re.Match[str] | None) -> str:
    name = _name(found)
    if name is None:
        return "$"
    return (match[int(name) if name.isdecimal() else name] if match else None) or ""


def _spoken(value: Any) -> Spoken:
    if isinstance(value, Spoken):
        return value
    if not isinstance(value, str):
        raise PydanticKnownError("string_type")
    return Spoken((value,))


Send = Annotated[Spoken, PlainValidator(_spoken), PlainSerializer(str), WithJsonSchema({"type": "string"})]


class DialogueStep(Model):
    """What a step says is done in this order: expect, send, starttls."""

    expect: Regex | None = Field(
        None,
        description="a regular expression; lines, or messages of a WebSocket, are read until it is found in one",
    )
    send: Send | None = Field(
        None,
        description="a line or a message to send; ${1} is a group of the last expect, $$ a dollar; "
        "a secret only as env:NAME or file:PATH, within a text as ${env:NAME} or ${file:PATH}",
    )
    starttls: bool = Field(False, description="begin TLS, verified as `tls` says")

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.expect is None and self.send is None and not self.starttls:
            raise ValueError("says nothing; a step has expect, send or starttls: true")
        return self


def mistake_in_dialogue(steps: tuple[DialogueStep, ...], *, tls: bool) -> str | None:
    """What is wrong with these steps on a connection that begins with or without TLS; None when they can be taken."""
    expected: re.Pattern[str] | None = None
    for number, step in enumerate(steps, start=1):
        expected = re.compile(step.expect) if step.expect is not None else expected
        for name in step.send.groups() if step.send else ():
            if not _has_group(expected, name):
                before = f"the last expect has no group {name!r}" if expected else "no expect stands before it"
                return f"step {number} sends ${{{name}}}, but {before}; write $$ for a dollar"
        if step.starttls and tls:
            return f"step {number} has starttls, but TLS has begun before; remove one of the two"
        tls = tls or step.starttls
    return None


def _has_group(pattern: re.Pattern[str] | None, name: str) -> bool:
    if pattern is None:
        return False
    return int(name) <= pattern.groups if name.isdecimal() and len(name) < 4 else name in pattern.groupindex
