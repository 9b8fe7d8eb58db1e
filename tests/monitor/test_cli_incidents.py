from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import pytest

from alerts.runbook import parse
from alerts.verdict import Level, Signal, Verdict
from monitor import cli, response
from monitor.clock import ManualClock
from monitor.links import Links
from monitor.store import Store, open_store
from probes.target import Target

T = TypeVar("T")
RUNBOOK = """# API is down

- [ ] **Look [b]hard[/b]** `id=look` `limit=5m` `role=responder`
  ```sh
  df -h
  ```
  Expect: room on the disk
- [ ] **Fix** `id=fix` `needs=look`
"""
PATH = Path("/etc/monitor/api.md")
HOSTILE = "\x1b[31mred\x1b[0m [bold]b[/bold] \x9b2J \u202eevil"
DOWN = Verdict(
    rule="outage",
    target="api",
    firing=True,
    level=Level.PAGE,
    since_seconds=990.0,
    summary="3 failed in a row",
    evidence=(("seen", HOSTILE),),
)
sqlite_only = pytest.mark.parametrize("store_kind", ["sqlite"], indirect=True)


@dataclass(frozen=True)
class Answer:
    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True)
class Shell:
    """`monitor incidents ...` on a store, and the store itself for what the daemon would do."""

    url: str
    where: tuple[str, ...]
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    def __call__(self, *words: str, where: tuple[str, ...] | None = None) -> Answer:
        argv = ["monitor", "incidents", *words, *(self.where if where is None else where)]
        with self.monkeypatch.context() as patch:
            patch.setattr(sys, "argv", argv)
            with pytest.raises(SystemExit) as ended:
                cli.main()
        captured = self.capsys.readouterr()
        return Answer(int(ended.value.code or 0), captured.out, captured.err)

    def in_store(self, work: Callable[[Store], Awaitable[T]]) -> T:
        async def run() -> T:
            store = await open_store(self.url)
            try:
                return await work(store)
            finally:
                await store.close()

        return asyncio.run(run())

    def signal(self, target: str = "api", **signal: Any) -> None:
        made = Signal(target=target, **({"fired": (replace(DOWN, target=target),)} | signal))
        probed = Target(name=target, url="http://api.example/", runbook=PATH)
        given: dict[str, Any] = {"links": Links(), "runbooks": {PATH: parse(RUNBOOK, "api.md")}, "clock": ManualClock()}
        self.in_store(lambda store: response.on_signal(store, made, probed, region="eu", **given))


def settings_file(folder: Path, first_line: str) -> Path:
    """Settings none of whose routing keys can be looked up here."""
    path = folder / "monitor.yaml"
    path.write_text(
        f"{first_line}\n"
        "pagerduty: {routes: {default: {routing_key: env:NOT_SET_HERE}}}\n"
        "targets: [{name: api, url: http://api.example/}]\n"
    )
    return path


@pytest.fixture
def shell(
    store_url: str,
    store_kind: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Shell:
    """PostgreSQL is reached through settings whose only secret that can be looked up is the store's."""
    for name in ("MONITOR_CONFIG", "MONITOR_DATA", "MONITOR_ACTOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LOGNAME", "login-name")
    where = ("--data", str(tmp_path))
    if store_kind == "postgresql":
        monkeypatch.setenv("STORE_URL_OF_TEST", store_url)
        where = ("-c", str(settings_file(tmp_path, "store: {url: env:STORE_URL_OF_TEST}")))
    return Shell(store_url, where, monkeypatch, capsys)


def test_an_incident_is_answered_from_the_shell(shell: Shell) -> None:
    assert shell("list") == Answer(0, "no incident is open\n", "")
    assert shell("list", "--all") == Answer(0, "there are no incidents\n", "")
    shell.signal()
    listed = shell("list")
    assert listed.code == 0
    assert listed.out.splitlines()[1].startswith("#1  triggered  page   api: outage - 3 failed in a row, since")

    assert shell("ack", "#1", "--as", "ann") == Answer(0, "incident 1: acknowledged by ann\n", "")
    assert shell("note", "1", "the disk is full") == Answer(0, "incident 1: noted\n", "")
    assert shell("step", "1", "look", "--doing").out == "incident 1: step look is doing\n"
    assert shell("step", "1", "look", "--done", "--evidence", "98 %").out == "incident 1: step look is done\n"
    assert shell("step", "1", "fix", "--failed", "--reason", "no rights").code == 0
    assert shell("step", "1", "fix", "--todo").code == 0
    assert shell("step", "1", "fix", "--skip", "--reason", "it healed").out == "incident 1: step fix is skipped\n"
    assert "Next step" not in shell("show", "1").out
    assert shell("resolve", "1", "--reason", "over") == Answer(0, "incident 1: resolved by login-name\n", "")

    shown = shell("show", "1").out
    for words in (
        ["state", "resolved"],
        ["acknowledged", "UTC by ann"],
        ["runbook", "API is down (api.md, sha256"],
        ["look", "done", "Look [b]hard[/b]", "login-name", "98 %"],
        ["fix", "skipped", "Fix", "login-name", "it healed"],
        ["trigger", "default", "pending"],
        ["resolve", "default", "pending"],
        ["ann (cli)", "acknowledged", "page acknowledged"],
        ["login-name (cli)", "noted", "the disk is full"],
        ["login-name (cli)", "resolved", "by hand: over"],
    ):
        assert any(all(word in line for word in words) for line in shown.splitlines()), (words, shown)
    assert shell("list").out == "no incident is open\n"
    assert "resolved" in shell("list", "--all").out


@sqlite_only
def test_json_is_for_programs(shell: Shell) -> None:
    shell.signal()
    shell.signal("db")
    shell("ack", "1", "--as", "ann")
    listed = shell("list", "--format", "json").json()
    assert [one["id"] for one in listed["incidents"]] == [2, 1]
    assert [one["id"] for one in shell("list", "--format", "json", "--limit", "1").json()["incidents"]] == [2]
    shown = shell("show", "1", "--format", "json").json()
    summary = {name: value for name, value in shown.items() if name not in ("timeline", "pages")}
    assert summary == listed["incidents"][1]
    assert (shown["state"], shown["level"], shown["acknowledged_by"]) == ("acknowledged", "page", "ann")
    assert shown["opened_at"] == "2026-01-01T00:00:00+00:00"
    assert shown["runbook"]["path"] == "api.md"
    assert shown["steps"][0] == {
        "id": "look",
        "title": "Look [b]hard[/b]",
        "state": "todo",
        "actor": None,
        "changed_at": None,
        "note": None,
    }
    assert shown["firing"][0]["rule"] == "outage"
    assert shown["evidence"]["outage: seen"].startswith("\ufffd[31mred")
    assert [entry["kind"] for entry in shown["timeline"]] == ["opened", "fired", "paged", "acknowledged"]
    assert [(page["action"], page["state"]) for page in shown["pages"]] == [
        ("trigger", "pending"),
        ("acknowledge", "pending"),
    ]


REFUSED = [
    ("show 7", 2, "there is no incident 7; `monitor incidents list --all` shows those that there are"),
    ("ack 7", 2, "there is no incident 7; "),
    ("ack seven", 2, "'seven' is not the number of an incident; write it as 12 or #12"),
    ("ack -1", 2, "No such option"),
    ("ack 1111111111111111111", 2, "is not the number of an incident"),
    ("step 1 loo --done", 2, "incident 1 has no step 'loo'; its steps: look, fix"),
    ("step 1 look", 2, "step: give one of --done, --doing, --failed, --skip, --todo"),
    ("step 1 look --done --skip", 2, "step: give one of --done"),
    ("step 1 look --skip", 2, "step look: say why it is skipped"),
    ("step 1 look --done --evidence a --reason b", 2, "not both"),
    ("step 1 look --todo", 1, "step look is todo already"),
    ("note 1 ", 2, "the note is empty"),
    ("ack 2", 1, "incident 2 was already acknowledged by ann at 20"),
    ("resolve 3", 1, "incident 3 was resolved by ann at 20"),
]


@sqlite_only
def test_what_cannot_be_done_says_why_with_its_exit_code_and_changes_nothing(shell: Shell) -> None:
    for target in ("a", "b", "c"):
        shell.signal(target)
    shell("ack", "2", "--as", "ann")
    shell("resolve", "3", "--as", "ann")
    before = shell("list", "--all", "--format", "json")
    for line, code, text in REFUSED:
        answer = shell(*line.split(" "))
        assert (line, answer.code, answer.out) == (line, code, "")
        assert text in " ".join(answer.err.split())
        assert "Traceback" not in answer.err
    assert shell("list", "--all", "--format", "json") == before


@sqlite_only
def test_what_a_server_wrote_cannot_drive_the_terminal(shell: Shell) -> None:
    shell.signal()
    shell("note", "1", HOSTILE + "\udcff")
    for words in (["show", "1"], ["show", "1", "--format", "json"], ["show", "1", "--runbook"], ["list"]):
        out = shell(*words).out
        assert not {"\x1b", "\x9b", "\u202e"} & set(out), words
    assert "\ufffd[31mred\ufffd[0m [bold]b[/bold]" in shell("show", "1").out


@sqlite_only
def test_the_pinned_runbook_is_printed_whole(shell: Shell) -> None:
    shell.signal()
    assert shell("show", "1", "--runbook").out == RUNBOOK
    shell.in_store(_opened_without_runbook)
    assert shell("show", "2", "--runbook").out == "incident 2 has no runbook\n"
    assert "runbook" not in shell("show", "2").out.lower()


@sqlite_only
def test_the_next_step_is_told_as_the_pinned_runbook_has_it(shell: Shell) -> None:
    shell.signal()
    told = "Next step: look - Look [b]hard[/b]\n  within 5m, by responder\n  $ df -h\n  Expect: room on the disk\n"
    assert told in shell("show", "1").out
    shell("step", "1", "look", "--done")
    assert "Next step: fix - Fix\n  after look\n\n" in shell("show", "1").out
    shell("resolve", "1")
    assert "Next step" not in shell("show", "1").out


async def _opened_without_runbook(store: Store) -> None:
    signal = Signal(target="db", fired=(replace(DOWN, target="db"),))
    target = Target(name="db", url="tcp://db:1")
    await response.on_signal(store, signal, target, region="eu", links=Links(), runbooks={}, clock=ManualClock())


@sqlite_only
def test_who_acts_and_where_come_from_options_variables_and_the_login(shell: Shell, tmp_path: Path) -> None:
    for target in ("a", "b", "c"):
        shell.signal(target)
    shell.monkeypatch.setenv("MONITOR_DATA", str(tmp_path))
    assert shell("ack", "1", where=()).out == "incident 1: acknowledged by login-name\n"
    shell.monkeypatch.setenv("MONITOR_ACTOR", "on-call")
    assert shell("ack", "2", where=()).out == "incident 2: acknowledged by on-call\n"
    assert shell("ack", "3", "--as", "ann", where=()).out == "incident 3: acknowledged by ann\n"

    settings = settings_file(tmp_path, "data: .")
    shell.monkeypatch.delenv("MONITOR_DATA")
    shell.monkeypatch.setenv("MONITOR_CONFIG", str(settings))
    assert shell("list", where=()).out.count("\n") == 4


@sqlite_only
def test_without_any_word_of_where_it_is_the_store_is_in_data(shell: Shell, tmp_path: Path) -> None:
    shell.monkeypatch.chdir(tmp_path)
    answer = shell("list", where=())
    assert (answer.code, answer.out) == (2, "")
    assert f"{tmp_path / 'data' / 'monitor.sqlite'}: there is no store here; `monitor run` makes it" in answer.err
    assert "or name the store with -c FILE (settings) or another --data DIR" in answer.err
    assert not (tmp_path / "data").exists()


def test_a_database_that_holds_no_store_is_not_made_one(
    empty_url: str, store_kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STORE_URL_OF_TEST", empty_url)
    settings = settings_file(tmp_path, "store: {url: env:STORE_URL_OF_TEST}")
    shell = Shell(empty_url, ("-c", str(settings)), monkeypatch, capsys)
    first, second = shell("list"), shell("list")
    assert first == second
    assert first.code == 2
    assert "`monitor run` makes it" in first.err
    assert not (tmp_path / "monitor.sqlite").exists()


def test_settings_that_cannot_be_used_are_told_with_place_and_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for first_line, problem in (
        ("store: {url: env:STORE_URL_THAT_IS_NOT_SET}", "store.url: the variable STORE_URL_THAT_IS_NOT_SET"),
        ("regoin: eu", "monitor.yaml:1: regoin: "),
    ):
        settings = settings_file(tmp_path, first_line)
        answer = Shell("", ("-c", str(settings)), monkeypatch, capsys)("list")
        assert (answer.code, answer.out) == (2, "")
        assert problem in answer.err
        assert answer.err.endswith("or name the store with --data DIR, without -c, if it is SQLite\n")


@sqlite_only
def test_a_user_without_a_name_is_asked_for_one(shell: Shell) -> None:
    shell.signal()
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        shell.monkeypatch.delenv(name, raising=False)
    shell.monkeypatch.setattr(os, "getuid", lambda: 4_000_000_001)
    answer = shell("ack", "1")
    assert (answer.code, answer.err) == (
        2,
        "who acts? This user has no login name; use --as NAME or set MONITOR_ACTOR\n",
    )


@sqlite_only
def test_the_command_works_as_a_program_and_is_plain_when_piped(shell: Shell, tmp_path: Path) -> None:
    shell.signal()
    environment = {**os.environ, "MONITOR_DATA": str(tmp_path), "FORCE_COLOR": ""}
    argv = [sys.executable, "-m", "monitor", "incidents", "list"]
    ran = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "#1" in ran.stdout
    assert "\x1b" not in ran.stdout
