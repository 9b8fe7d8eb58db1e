"""The files that the settings name: there, readable, and what they should be."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

from monitor.settings.node import Node, Path_, sections
from monitor.settings.problem import Problem, problem_at

Complaint: TypeAlias = tuple[str | None, str]  # the place in the file, if it has one, and what is wrong


def file_problems(root: Node) -> Iterator[Problem]:
    looked_at: dict[tuple[Path_, str], tuple[Complaint, ...]] = {}  # many targets share one file
    for index, target in sections(root, ("targets",)):
        for path, check in FILE_CHECKS.items():
            node = target.at(path)
            if node is None or not isinstance(node.value, str):
                continue
            if (path, node.value) not in looked_at:
                looked_at[path, node.value] = tuple(check(Path(node.value)))
            for place, text in looked_at[path, node.value]:
                yield Problem(place, "", text) if place else problem_at(root, ("targets", index, *path), text)
    yield from _client_certificates(root)


def _runbook(file: Path) -> Iterator[Complaint]:
    from alerts.runbook import RunbookError, read

    name = shown_path(file)
    try:
        read(file, name)
    except RunbookError as error:
        for problem in error.problems:
            line, _, text = problem.removeprefix(f"{name}:").partition(": ")
            yield (f"{name}:{line}", text) if line.isdecimal() else (None, problem)


def _ca_file(file: Path) -> Iterator[Complaint]:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(file)
    except ssl.SSLError:
        yield None, f"{shown_path(file)} holds no certificate in PEM form"
    except OSError as error:
        yield None, f"{shown_path(file)} cannot be read: {(error.strerror or 'unreadable').lower()}"


def _readable(file: Path) -> Iterator[Complaint]:
    try:
        file.read_bytes()
    except OSError as error:
        yield None, f"{shown_path(file)} cannot be read: {(error.strerror or 'unreadable').lower()}"


def _client_certificates(root: Node) -> Iterator[Problem]:
    """Whether certificate and key are in PEM form, and belong together."""
    looked_at: dict[tuple[str, str | None], str | None] = {}  # many targets share one
    for index, target in sections(root, ("targets",)):
        pair = [target.at(("tls", field)) for field in ("client_cert", "client_key")]
        cert, key = (node.value if node and isinstance(node.value, str) else None for node in pair)
        if cert is None:
            continue
        if (cert, key) not in looked_at:
            looked_at[cert, key] = _mismatch(Path(cert), Path(key) if key is not None else None)
        if text := looked_at[cert, key]:
            yield problem_at(root, ("targets", index, "tls", "client_cert" if key is None else "client_key"), text)


def _mismatch(cert: Path, key: Path | None) -> str | None:
    try:
        # Without a passphrase to try OpenSSL would ask for one on the terminal.
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(cert, key, password="")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            return f"the key in {shown_path(key or cert)} is not that of the certificate in {shown_path(cert)}"
        files = " and ".join(shown_path(file) for file in (cert, key) if file is not None)
        return f"a certificate and its private key, without a passphrase, in PEM form are not to be had from {files}"
    except OSError:  # told of each file by itself
        return None
    return None


def shown_path(file: Path) -> str:
    """As short as it can be said to whoever stands in the current folder."""
    here = Path.cwd()
    return str(file.relative_to(here) if file.is_relative_to(here) else file)


FILE_CHECKS: dict[Path_, Callable[[Path], Iterator[Complaint]]] = {
    ("runbook",): _runbook,
    ("tls", "ca_file"): _ca_file,
    ("tls", "client_cert"): _readable,
    ("tls", "client_key"): _readable,
}
