"""`monitor tls-grade` as a program: its output, its exit codes, its errors."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.probes.tls.certs import authority, leaf, pem, write
from tests.probes.tls.servers import MODERN, Nginx
from tests.support.wait import free_port

PROGRAM = [sys.executable, "-c", "from monitor.cli import main; main()", "tls-grade"]
HSTS = 'add_header Strict-Transport-Security "max-age=31536000" always;'


@dataclass(frozen=True)
class Servers:
    """Ports on localhost, named by the grade that they get with `ca`."""

    a_plus: int
    a_minus: int
    stranger: int
    refused: int
    ca: Path


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    folder = tmp_path_factory.mktemp("nginx")
    root = authority("Root")
    ca = folder / "ca.pem"
    ca.write_bytes(pem(root.certificate))
    nginx = Nginx(folder)
    good = write(folder, "good", leaf(root, ["localhost", "other.test"]))
    a_plus = nginx.add(*good, MODERN + HSTS)
    a_minus = nginx.add(*good, "ssl_protocols TLSv1.2; ssl_ciphers ECDHE+AESGCM;")
    stranger = nginx.add(*write(folder, "self", leaf(None)))
    with nginx.run():
        yield Servers(a_plus, a_minus, stranger, free_port(), ca)


def run(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    argv = [*PROGRAM, *map(str, arguments)]
    variables = {**os.environ, **environment}
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, env=variables, check=False)


def grades(document: dict[str, Any]) -> list[str | None]:
    return [target["grade"] for target in document["targets"]]


def test_one_json_document_in_the_order_asked_whatever_happens_to_each(servers: Servers) -> None:
    hosts = [f"localhost:{port}" for port in (servers.refused, servers.a_plus, servers.a_minus, servers.stranger)]
    done = run(*hosts, "--format", "json", "--ca-file", servers.ca)
    document = json.loads(done.stdout)  # fails if anything else is on standard output
    assert document["version"] == 1
    assert grades(document) == [None, "A+", "A-", "T"]
    assert done.returncode == 1  # one could not be reached
    assert done.stderr == ""

    refused, sound, _, stranger = document["targets"]
    assert set(refused) == set(sound)
    assert refused["error"] == f"127.0.0.1:{servers.refused} refused the connection"
    assert refused["error_reason"] == "refused"
    assert (sound["host"], sound["port"], sound["address"]) == ("localhost", servers.a_plus, "127.0.0.1")
    assert sound["error"] is None
    assert sound["scores"] == {"protocol": 100, "key_exchange": 100, "cipher": 90, "total": 96}
    assert sound["findings"] == []
    assert {"check", "reason"} == set(sound["not_tested"][0])
    assert sound["certificates"][0]["subject"] == "CN=localhost"
    assert sound["certificates"][0]["days_left"] in (89, 90)
    assert [each["name"] for each in sound["protocols"] if each["offered"]] == ["TLS 1.2", "TLS 1.3"]
    assert stranger["grade_trust_ignored"] == "A"
    assert [finding["id"] for finding in stranger["findings"]] == ["self_signed", "hsts_short"]
    assert set(stranger["findings"][0]) == {"id", "cap", "summary", "fix", "source"}


def test_a_table_for_people_without_colour_in_a_pipe(servers: Servers) -> None:
    done = run(f"127.0.0.1:{servers.a_minus}", "--ca-file", servers.ca, "--sni", "other.test")
    assert done.returncode == 0
    head, row, *findings = done.stdout.splitlines()
    assert head.split()[:3] == ["HOST", "GRADE", "TRUST"]
    assert row.split()[:7] == [f"127.0.0.1:{servers.a_minus}", "A-", "A-", "100", "100", "90", "96"]
    assert row.endswith(("89 days", "90 days"))
    assert "TLS 1.3 is not offered (no_tls13)" in findings[0]
    assert "fix: offer TLS 1.3 as well" in findings[1]
    assert "\x1b" not in done.stdout + done.stderr


def test_fail_below_is_passed_by_the_bar_itself_and_failed_by_one_host(servers: Servers) -> None:
    sound = [f"localhost:{port}" for port in (servers.a_plus, servers.a_minus)]
    assert run(*sound, "--fail-below", "A-", "--ca-file", servers.ca, "--concurrency", 1).returncode == 0
    assert run(sound[1], "--fail-below", "A", "--ca-file", servers.ca).returncode == 1


def test_distrust_fails_every_bar_and_only_the_ca_file_makes_trust(servers: Servers) -> None:
    done = run(f"localhost:{servers.a_plus}", "--fail-below", "F", "--format", "json")
    assert (grades(json.loads(done.stdout)), done.returncode) == (["T"], 1)


def test_every_mistake_of_the_command_line_at_once(tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("nothing")
    done = run("exa mple", "a.example:99999", "--ca-file", empty, "--sni", "!")
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 4
    for text in ("'exa mple' is not a host", "the port '99999'", f"{empty} holds no PEM certificate", "--sni: '!'"):
        assert text in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["a.example", "--fail-below", "Z"], "'Z' is not a grade; one of A+ A A- B C D E F is expected"),
        (["a.example", "--fail-below", "T"], "'T' is not a grade"),
        (["a.example", "--ca-file", "/nowhere/ca.pem"], "/nowhere/ca.pem cannot be read: No such file"),
        (["a.example", "--format", "xml"], "'xml'"),
        (["a.example", "--timeout", "0"], "--timeout"),
        (["a.example", "--concurrency", "0"], "--concurrency"),
        ([], "HOST[:PORT]"),
    ],
)
def test_a_wrong_command_names_the_value(arguments: Sequence[str], text: str) -> None:
    done = run(*arguments, COLUMNS="200", NO_COLOR="1")
    assert (done.returncode, done.stdout) == (2, "")
    assert text in done.stderr


def on_a_terminal(argv: Sequence[str], **environment: str) -> str:
    """What the program prints when its standard output and error are a terminal."""
    leader, follower = pty.openpty()
    variables = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    variables |= {"TERM": "xterm-256color", "COLUMNS": "200", **environment}
    seen = bytearray()

    def read() -> None:
        try:
            while chunk := os.read(leader, 4096):
                seen.extend(chunk)
        except OSError:
            return  # Linux says so when the last writer has gone

    reader = threading.Thread(target=read)
    reader.start()
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=follower, stderr=follower, env=variables) as process:
        process.wait(60)
    os.close(follower)
    reader.join(10)
    os.close(leader)
    return seen.decode()


def test_a_terminal_gets_colour_and_progress() -> None:
    seen = on_a_terminal([*PROGRAM, f"localhost:{free_port()}"])
    assert "\x1b[1;31m-" in seen
    assert "scanning" in seen
    assert "refused the connection" in seen


def test_no_color_is_respected() -> None:
    seen = on_a_terminal([*PROGRAM, f"localhost:{free_port()}"], NO_COLOR="1")
    assert "refused the connection" in seen
    assert "31m" not in seen
