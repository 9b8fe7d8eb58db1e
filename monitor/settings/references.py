"""Secrets: in the file only `env:NAME` or `file:PATH`, looked up here and registered with monitor.redact."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

from monitor.redact import SHORTEST_SECRET, is_secret_header, register_secret
from monitor.settings.model import REFERENCE_PATTERN
from monitor.settings.node import Node, Path_
from monitor.settings.problem import Problem, problem_at
from probes.dialogue import Spoken

MAX_SECRET_BYTES = 64 * 1024
UNRESOLVED = "env:UNRESOLVED"
SPOKEN = "what a dialogue sends"
SECRETS_OF_AUTH: tuple[tuple[tuple[str, str], str], ...] = (
    (("basic", "user"), "user"),
    (("basic", "password"), "secret"),
    (("digest", "user"), "user"),
    (("digest", "password"), "secret"),
    (("bearer", "token"), "secret"),
    (("oauth2", "client_id"), "client"),
    (("oauth2", "client_secret"), "secret"),
)
_HOW = "write env:NAME or file:PATH here, and put the secret there"
_ALWAYS = ("key", "secret", "url")
_SCHEME = re.compile(r"(?i)(basic|bearer|token|digest)\s")
_WITHIN = re.compile(r"\$\{((?:env|file):[^}]*)\}")  # a reference in the midst of a text


@dataclass(frozen=True, slots=True)
class _Failed(Exception):
    text: str


def resolve_references(
    root: Node, environ: Mapping[str, str], base: Path, *, look_up: bool | Callable[[str], bool]
) -> tuple[Node, list[Problem]]:
    """The tree with every reference replaced by its secret, each registered with monitor.redact. With `look_up` false
    references stay as they are, for a check on a machine that has none of the secrets; as a function it says by the
    name of a target whether that target's are looked up, and those of routes and store are not."""
    problems: list[Problem] = []
    changes: dict[Path_, Any] = {}
    for path, kind in secret_fields(root):
        node = root.at(path)
        if node is None or node.value is None:
            continue
        try:
            wanted = look_up if isinstance(look_up, bool) else _concerns(root, path, look_up)
            if kind == SPOKEN:
                changes[path] = _spoken(node.value, environ, base, wanted)
            else:
                changes[path] = _value(node, kind, environ, base, wanted)
        except _Failed as failure:
            problems.append(problem_at(root, path, failure.text))
            changes[path] = UNRESOLVED  # passes for a secret, so that the same mistake is not told twice
    return root.changed(changes), problems


def _concerns(root: Node, path: Path_, is_wanted: Callable[[str], bool]) -> bool:
    """Whether the secret at `path` is one of a target that is wanted."""
    name = root.at((*path[:2], "name")) if path[0] == "targets" else None
    return path[0] == "defaults" or (name is not None and is_wanted(str(name.value)))


def secret_fields(root: Node) -> Iterator[tuple[Path_, str]]:
    """Where a secret may stand: (path, kind); kind is `key`, `secret`, `url`, SPOKEN, or the name of a header or the
    like, which says whether it is one."""
    yield ("store", "url"), "url"
    yield ("defaults", "proxy"), "url"
    routes = root.at(("pagerduty", "routes"))
    for name, _ in routes.children() if routes else ():
        yield ("pagerduty", "routes", name, "routing_key"), "key"
    targets = root.child("targets")
    for index, _ in targets.children() if targets else ():
        target: Path_ = ("targets", index)
        yield (*target, "proxy"), "url"
        for path, kind in SECRETS_OF_AUTH:
            yield (*target, "auth", *path), kind
        for named in (("headers",), ("auth", "oauth2", "parameters")):
            section = root.at((*target, *named))
            if section and isinstance(section.value, dict):
                for name, _ in section.children():
                    yield (*target, *named, name), str(name)
        dialogue = root.at((*target, "dialogue"))
        for number, _ in dialogue.children() if dialogue and isinstance(dialogue.value, list) else ():
            yield (*target, "dialogue", number, "send"), SPOKEN


def _value(node: Node, kind: str, environ: Mapping[str, str], base: Path, look_up: bool) -> str:
    if not isinstance(node.value, str):
        wanted = "text; put it in quotes" if kind not in _ALWAYS else f"a reference to a secret; {_HOW}"
        raise _Failed(f"must be {wanted}")
    if re.match(REFERENCE_PATTERN, node.value):
        return _looked_up(node.value, kind, environ, base) if look_up else node.value
    if node.value.startswith(("env:", "file:")):
        raise _Failed("is not a reference to a secret; after env: comes the name of a variable, after file: a path")
    secret = is_secret(kind, node.value)
    if secret:
        _register(node.value, kind)
        if node.origin.source == "file":
            raise _Failed(f"a secret does not belong in this file; {_HOW}")
    return _fit(node.value, kind, "")


def _spoken(value: Any, environ: Mapping[str, str], base: Path, look_up: bool) -> Any:
    """The text with its references looked up, each a part of its own: a secret is sent as it is, and never shown."""
    if not isinstance(value, str):  # the settings say what it must be
        return value
    if re.match(REFERENCE_PATTERN, value):
        value = f"${{{value}}}"
    elif value.startswith(("env:", "file:")):
        raise _Failed("is not a reference to a secret; within a text write it as ${env:NAME} or ${file:PATH}")
    parts: list[str | SecretStr] = []
    for number, part in enumerate(_WITHIN.split(value)):
        if number % 2 == 0:
            parts += [part] if part else []
        elif not re.match(REFERENCE_PATTERN, part):
            raise _Failed("has a reference to no secret; after env: comes the name of a variable, after file: a path")
        else:
            parts.append(SecretStr(_looked_up(part, SPOKEN, environ, base) if look_up else part))
    return Spoken(tuple(parts))


def is_secret(kind: str, value: str) -> bool:
    """Whether `value`, written out, would give a secret away."""
    if kind == "url":
        return "@" in value and _password(value) is not None
    return kind in ("key", "secret") or is_secret_header(kind) or _SCHEME.match(value) is not None


def _looked_up(reference: str, kind: str, environ: Mapping[str, str], base: Path) -> str:
    scheme, _, name = reference.partition(":")
    value = _of_variable(name, environ) if scheme == "env" else _of_file(base / name, reference)
    if not value.strip():
        raise _Failed(f"{reference} is empty; put the secret there")
    _register(value, kind)
    return _fit(value, kind, reference)


def _of_variable(name: str, environ: Mapping[str, str]) -> str:
    if name not in environ:
        raise _Failed(f"the variable {name} of env:{name} is not set; set it where the monitor is started")
    return environ[name]


def _of_file(path: Path, reference: str) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_SECRET_BYTES + 1)
    except OSError as error:
        reason = (error.strerror or "unreadable").lower()
        raise _Failed(f"{reference} cannot be read: {reason} (looked for {path})") from None
    if len(content) > MAX_SECRET_BYTES:
        raise _Failed(f"{reference} is larger than {MAX_SECRET_BYTES // 1024} KiB; it should hold the secret alone")
    try:
        return content.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise _Failed(f"{reference} is not UTF-8 text; it should hold the secret alone") from None


def _fit(value: str, kind: str, reference: str) -> str:
    what = reference or "the value"
    if any(ord(character) < 32 and character != "\t" for character in value):
        raise _Failed(f"{what} has a line break or another control character inside; it should hold one line")
    if kind == "key" and len(value) < SHORTEST_SECRET:
        raise _Failed(f"{what} is too short for a routing key")
    if kind == "key" and (not value.isascii() or " " in value):
        raise _Failed(f"{what} has a space or a letter that no routing key has")
    return value


def _register(value: str, kind: str) -> None:
    """A value too short to be masked everywhere is left to the masking by name and place (headers, addresses)."""
    parts = [value]
    if kind == "url":
        password = _password(value)
        parts += [password, unquote(password)] if password else []
    elif scheme := _SCHEME.match(value):
        parts.append(value[scheme.end() :].strip())
    for part in parts:
        if len(part) >= SHORTEST_SECRET:
            register_secret(part)


def _password(url: str) -> str | None:
    try:
        return urlsplit(url).password
    except ValueError:
        return url.rpartition("@")[0].rpartition(":")[2]
