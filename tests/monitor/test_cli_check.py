"""`monitor check` as it is called from a shell."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "monitor.yaml"
SECRETS = {
    "PD_KEY": "0123456789abcdef0123456789abcdef",
    "API_AUTHORIZATION": "Bearer a-long-token",
    "DATABASE_URL": "postgresql://monitor:a-password@db/monitor",
}


def check(*arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("MONITOR_")} | variables
    command = [sys.executable, "-m", "monitor", "check", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environ, timeout=60, check=False)


def test_the_example_is_right() -> None:
    done = check("-c", EXAMPLE, **SECRETS, MONITOR_WORKERS="2")
    assert (done.returncode, done.stderr) == (0, "")
    *table, summary, overridden = done.stdout.splitlines()
    assert table[0].split()[:3] == ["Target", "Address", "Every"]
    assert " ".join(table[1].split()) == "api https://api.example.com/health 10s 99.9% A default runbooks/api.md 4"
    assert summary == "ok: 2 targets, 1 runbook, 2 routes, region eu-west"
    assert overridden == "overridden by MONITOR_WORKERS"
    assert not any(secret in done.stdout for secret in SECRETS.values())


def test_the_example_can_be_checked_without_secrets_and_for_programs() -> None:
    done = check("-c", EXAMPLE, "--no-secrets", "--format", "json")
    report = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (0, "")
    assert (report["ok"], report["runbooks"], report["routes"]) == (
        True,
        1,
        {"default": "pagerduty", "tickets": "sink"},
    )
    assert report["targets"][0] == {
        "name": "api",
        "url": "https://api.example.com/health",
        "every": "10s",
        "availability": "99.9%",
        "grade": "A",
        "severity": "critical",
        "route": "default",
        "runbook": "runbooks/api.md",
        "steps": 4,
    }


def test_mistakes_are_lines_on_stderr_and_exit_2(tmp_path: Path) -> None:
    file = tmp_path / "m.yaml"
    file.write_text(
        "targets:\n- name: a\n  url: x\n  nmae: b\npagerduty: {routes: {default: {routing_key: abcdefgh}}}\n"
    )
    done = check("-c", file)
    assert (done.returncode, done.stdout) == (2, "")
    assert [line.split(": ")[:2] for line in done.stderr.splitlines()] == [
        [f"{file}:3", "targets[a].url"],
        [f"{file}:4", "targets[a].nmae"],
        [f"{file}:5", "pagerduty.routes.default.routing_key"],
    ]
    assert "abcdefgh" not in done.stderr


def test_mistakes_for_programs(tmp_path: Path) -> None:
    done = check("-c", tmp_path / "none.yaml", "--format", "json")
    report = json.loads(done.stdout)
    assert (done.returncode, done.stderr, report["ok"]) == (2, "", False)
    assert report["problems"] == [
        f"{tmp_path}/none.yaml: cannot be read: no such file or directory; name a file that can be read"
    ]


def test_a_mistake_in_a_runbook_is_told_at_its_own_line(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(
        "targets: [{name: a, url: 'http://a', runbook: a.md}, {name: b, url: 'http://b', runbook: a.md}]\n"
        "pagerduty: {routes: {default: {driver: sink, file: p}}}\n"
    )
    (tmp_path / "a.md").write_text("---\nrunbook: 1\nid: a\ntitle: A\nowenr: me\n---\n")
    done = check("-c", tmp_path / "m.yaml")
    assert done.returncode == 2
    assert [line.split(": ")[0] for line in done.stderr.splitlines() if "owenr" in line] == [f"{tmp_path}/a.md:5"]


def test_the_schema_is_printed_without_a_file() -> None:
    done = check("--schema")
    assert done.returncode == 0
    Draft202012Validator.check_schema(json.loads(done.stdout))


@pytest.mark.parametrize("arguments", [(), ("--format", "json")])
def test_without_a_file_it_says_what_it_wants(arguments: tuple[str, ...]) -> None:
    done = check(*arguments)
    assert done.returncode == 2
    assert done.stderr == "check: give the settings file with -c FILE, or --schema\n"


@pytest.mark.parametrize("format", ["table", "json"])
def test_a_token_in_an_address_is_not_shown(tmp_path: Path, format: str) -> None:
    file = tmp_path / "m.yaml"
    file.write_text(
        "pagerduty: {routes: {default: {driver: sink, file: pages.jsonl}}}\n"
        "targets: [{name: a, url: 'https://example.com/health?deep=1&token=hunter2hunter2'}]\n"
    )
    done = check("-c", file, "--format", format)
    assert done.returncode == 0
    assert "https://example.com/health?deep=1&token=***" in done.stdout
