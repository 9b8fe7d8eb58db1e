"""`monitor probe` as a program, against real servers: its output, its exit codes, its errors."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.support.misbehaving import Misbehaving, Peer, full_backlog
from tests.support.nginx import Nginx
from tests.support.wait import free_port, until

PROGRAM = [sys.executable, "-c", "from monitor.cli import main; main()", "probe"]
SECRET = "hunter2hunter2"
SETTINGS = """
region: eu-west
pagerduty: {{routes: {{default: {{routing_key: env:NOT_SET_ANYWHERE}}}}}}
defaults: {{timeout: 4s, tls: {{ca_file: {ca}}}}}
targets:
  - {{name: api, url: "{http}/json", headers: {{Authorization: env:API_TOKEN}}, expect: {{json: {{status: up}}}}}}
  - {{name: web-1, url: "{https}/"}}
  - {{name: web-2, url: "{http}/missing"}}
  - {{name: other, url: "{http}/", headers: {{X-Token: env:NOT_SET_EITHER}}}}
"""


@pytest.fixture(scope="module")
def nginx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    with Nginx(tmp_path_factory.mktemp("nginx")) as server:
        yield server


@pytest.fixture
def settings(nginx: Nginx, tmp_path: Path) -> Path:
    file = tmp_path / "monitor.yaml"
    file.write_text(SETTINGS.format(ca=nginx.ca_file, http=nginx.http_url, https=nginx.https_url))
    return file


def run(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    argv = [*PROGRAM, *map(str, arguments)]
    variables = {**os.environ, "NO_COLOR": "1", **environment}
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, env=variables, check=False)


def results(*arguments: object, **environment: str) -> list[dict[str, Any]]:
    document = json.loads(run(*arguments, "--format", "json", **environment).stdout)
    assert document["version"] == 1
    return list(document["results"])


def test_a_good_probe_of_an_address_needs_no_file(nginx: Nginx) -> None:
    done = run(nginx.https_url, "--ca-file", nginx.ca_file)
    assert (done.returncode, done.stderr) == (0, "")
    head, *rows = done.stdout.splitlines()
    assert head.startswith(f"{nginx.https_url}  good in ")
    told = {row.split()[0]: row for row in rows if row.strip()}
    assert list(told) == ["resolve", "connect", "tls", "processing", "transfer", "address", "clock", "http"]
    assert "█" in done.stdout
    assert told["address"].split() == ["address", "127.0.0.1"]
    assert "status 200, HTTP/1.1, 35 bytes of body" in told["http"]
    assert "\x1b" not in done.stdout


def test_every_fact_in_one_json_document(nginx: Nginx) -> None:
    (seen,) = results(f"{nginx.https_url}/moved", "--ca-file", nginx.ca_file, "--region", "here")
    assert (seen["ok"], seen["reason"], seen["detail"], seen["steps"]) == (True, None, None, None)
    assert (seen["kind"], seen["region"], seen["address"]) == ("http", "here", "127.0.0.1")
    assert datetime.fromisoformat(seen["started_at"]).tzinfo is not None
    assert list(seen["phases"]) == ["resolve", "connect", "tls", "processing", "transfer"]
    assert seen["http"]["redirects"] == 1
    assert seen["clock"] in ("kernel", "user")
    assert isinstance(seen["suspect"], bool)
    assert seen["tls"]["verified"] is True
    assert datetime.fromisoformat(seen["tls"]["not_after"]) > datetime.now(UTC)
    assert seen["tls"]["days_left"] > 300
    assert seen["dns"] is None
    for phase, seconds in seen["phases"].items():
        drawn = [one for one in seen["waterfall"] if one["phase"] == phase]
        assert len(drawn) == 2, "asked, and asked again where the redirect led"
        assert sum(one["seconds"] for one in drawn) == pytest.approx(seconds)


def test_names_and_patterns_of_a_file_whose_other_secrets_are_not_needed(settings: Path) -> None:
    done = run("-c", settings, "web-*", "api", "--format", "json", API_TOKEN=f"Bearer {SECRET}")
    assert done.returncode == 1
    document = json.loads(done.stdout)
    assert [(one["target"], one["reason"]) for one in document["results"]] == [
        ("web-1", None),
        ("web-2", "status"),
        ("api", None),
    ]
    assert {one["region"] for one in document["results"]} == {"eu-west"}
    assert [(one["target"], one["failed"]) for one in document["summaries"]] == [("web-1", 0), ("web-2", 1), ("api", 0)]


def test_an_address_gets_the_defaults_of_the_file(settings: Path, nginx: Nginx) -> None:
    assert run("-c", settings, f"{nginx.https_url}/json").returncode == 0
    assert run(f"{nginx.https_url}/json").returncode == 1, "nobody trusts the test's authority without it"


def expired(folder: Path) -> Nginx:
    ca = trustme.CA()
    ended = datetime.now(UTC) - timedelta(days=12, hours=1)
    server = Nginx(folder, ca=ca)
    server.use_certificate(ca.issue_cert("localhost", not_before=ended - timedelta(days=90), not_after=ended))
    return server


def test_an_expired_certificate_is_told_with_its_end(tmp_path: Path) -> None:
    with expired(tmp_path) as server:
        done = run(server.https_url, "--ca-file", server.ca_file, "--debug")
    assert done.returncode == 1
    assert "failed: certificate after" in done.stdout
    assert "the certificate does not verify: certificate has expired" in done.stdout
    assert "certificate ended 12 days ago" in done.stdout
    assert "issued by OU=Testing CA" in done.stdout


def test_debug_is_one_timeline_of_phases_and_steps(nginx: Nginx) -> None:
    (seen,) = results(f"{nginx.https_url}/moved", "--ca-file", nginx.ca_file, "--debug")
    steps = [step["what"] for step in seen["steps"]]
    offsets = [step["offset_seconds"] for step in seen["steps"]]
    assert offsets == sorted(offsets)
    assert offsets[0] == 0
    told = iter(steps)
    expected = ("started", "asking", "resolved", "connecting", "connected", "TLS session", "certificate 1", "answered")
    assert all(what in told for what in (*expected, "header", "redirected", "asking", "connected", "answered", "good"))


def test_the_timeline_is_drawn_in_the_order_of_time(nginx: Nginx) -> None:
    _, text = run(f"{nginx.http_url}/moved", "--debug").stdout.split("started", 1)
    told = ("┌ connect", "│ connecting", "└ connect", "status 301", f"1: to {nginx.http_url}/there")
    places = [text.index(each) for each in (*told, "status 200", "  good")]
    assert places == sorted(places)


def test_the_refused_the_silent_and_the_lost_in_redirects(nginx: Nginx) -> None:
    with full_backlog() as port:
        urls = [f"http://127.0.0.1:{free_port()}/", f"http://127.0.0.1:{port}/", f"{nginx.http_url}/loop"]
        for _ in range(5):  # "internal": this machine stood still meanwhile, which is not told as the service's
            seen = results(*urls, "--timeout", "2s")
            if seen[1]["reason"] != "internal":
                break
    assert [one["reason"] for one in seen] == ["refused", "timeout", "redirect"]
    assert list(seen[1]["phases"])[-1] == "connect"
    assert seen[2]["http"]["redirects"] == 5


async def _gives_back(peer: Peer) -> None:
    await peer.send(
        f"HTTP/1.1 302 Found\r\nServer: {SECRET}\r\nX-Echo: {SECRET}\r\nVia: \x9b31m\r\n"
        f"Location: /{SECRET}?token={SECRET}\r\nContent-Length: 0\r\n\r\n".encode("latin-1")
    )


@pytest.mark.parametrize("options", [["--debug"], ["--debug", "--format", "json"], ["--debug", "--format", "jsonl"]])
def test_no_secret_is_shown_though_the_server_gives_it_back(tmp_path: Path, options: Sequence[str]) -> None:
    file = tmp_path / "monitor.yaml"
    with Misbehaving(_gives_back) as server:
        file.write_text(
            "pagerduty: {routes: {default: {driver: sink, file: pages}}}\n"
            f"targets: [{{name: api, url: '{server.url}?key=in-the-query', headers: {{Authorization: env:TOKEN}}}}]"
        )
        done = run("-c", file, "api", *options, TOKEN=f"Bearer {SECRET}")
        assert any(SECRET.encode() in request for request in server.requests), "it was sent"
    assert done.returncode == 1
    assert "authorization" in done.stdout, "its name is told"
    for secret in (SECRET, "in-the-query"):
        assert secret not in done.stdout + done.stderr
    assert "\x9b" not in done.stdout


def test_counted_probes_are_lines_and_a_summary(nginx: Nginx) -> None:
    done = run(nginx.http_url, f"{nginx.http_url}/missing", "--count", 3, "--every", "100ms")
    assert done.returncode == 1
    lines, good, bad = done.stdout.rstrip().split("\n\n")
    assert len(lines.splitlines()) == 6
    assert sum("status 404, expected 2xx" in line for line in lines.splitlines()) == 3
    name, times, _ = good.splitlines()
    assert name == f"{nginx.http_url}  3 probes, none failed"
    assert times.split()[::3] == ["min", "p50", "p99", "max"]
    assert bad.splitlines() == [f"{nginx.http_url}/missing  3 probes, 3 failed (status 3)", "  ×××"]


def test_lines_of_json_come_one_by_one_until_ctrl_c(nginx: Nginx) -> None:
    argv = [*PROGRAM, nginx.http_url, "--every", "100ms", "--format", "jsonl"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        seen = [json.loads(process.stdout.readline()) for _ in range(3)]
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=30)
    assert [one["ok"] for one in (*seen, *map(json.loads, rest.splitlines()))].count(False) == 0
    assert {one["version"] for one in seen} == {1}
    assert (process.returncode, errors) == (0, "")


def test_ctrl_c_in_a_probe_ends_with_the_summary_of_those_before(nginx: Nginx, tmp_path: Path) -> None:
    shown = tmp_path / "shown"
    with (
        Misbehaving("never_answers") as server,
        shown.open("w") as out,
        subprocess.Popen(
            [*PROGRAM, server.url, "--timeout", "1s", "--every", "100ms"], stdout=out, stderr=subprocess.STDOUT
        ) as process,
    ):
        until(lambda: server.connections >= 3, seconds=30, what="the third probe")
        process.send_signal(signal.SIGINT)
        process.wait(30)
    assert process.returncode == 1
    assert " failed (" in shown.read_text()
    assert "Traceback" not in shown.read_text()


def test_ctrl_c_before_anything_was_seen(tmp_path: Path) -> None:
    shown = tmp_path / "shown"
    with (
        Misbehaving("never_answers") as server,
        shown.open("w") as out,
        subprocess.Popen([*PROGRAM, server.url], stdout=out, stderr=subprocess.STDOUT, text=True) as process,
    ):
        until(lambda: server.connections, seconds=30, what="the probe")
        process.send_signal(signal.SIGINT)
        process.wait(30)
    assert (process.returncode, shown.read_text()) == (130, "")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["api"], "'api' is no address; give the settings file that has it with -c FILE"),
        (["-c", "FILE", "apj"], "'apj' is no target of FILE; did you mean api?"),
        (["-c", "FILE", "zzz*"], "'zzz*' is no target of FILE; known are api, web-1, web-2, other"),
        (["-c", "FILE", "other"], "targets[other].headers.X-Token: the variable NOT_SET_EITHER"),
        (["-c", "/nowhere.yaml", "api"], "/nowhere.yaml"),
        (["http://user:pa55word@h/"], "a user or password does not belong in an address"),
        (["gopher://h/"], "the scheme 'gopher' cannot be probed"),
        (["http://exa mple/"], "space"),
        (["http://h", "--timeout", "10"], "--timeout: '10' is not a duration"),
        (["http://h", "--timeout", "1ms"], "--timeout: '1ms' is too short; it must be at least 100ms"),
        (["http://h", "--every", "soon"], "--every: 'soon' is not a duration"),
        (["http://h", "--every", "1s", "--format", "json"], "use --format jsonl, or give --count"),
        (["http://h", "--ca-file", "/nowhere.pem"], "--ca-file: /nowhere.pem cannot be read: no such file"),
        (["http://h", "--region", "a b"], "--region: 'a b' must be of the form"),
        (["http://h", "--count", "0"], "--count"),
        (["http://h", "--format", "xml"], "'xml'"),
        ([], "NAME|URL"),
    ],
)
def test_a_wrong_command_names_the_value(settings: Path, arguments: Sequence[str], text: str) -> None:
    given = [str(settings) if argument == "FILE" else argument for argument in arguments]
    done = run(*given, COLUMNS="200")
    assert (done.returncode, done.stdout) == (2, "")
    assert text.replace("FILE", str(settings)) in done.stderr.replace("-c FILE", f"-c {settings}")
    assert "Traceback" not in done.stderr
    assert "pa55word" not in done.stderr


def test_every_mistake_at_once(settings: Path) -> None:
    done = run("-c", settings, "apj", "tcp://no-port", "--region", "?")
    assert len(done.stderr.splitlines()) == 3
    assert done.returncode == 2


def test_where_only_ascii_can_be_written_the_bars_are_too(nginx: Nginx) -> None:
    done = run(nginx.http_url, "--debug", PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert done.stdout.isascii()
    assert "#" in done.stdout
