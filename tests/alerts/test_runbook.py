from __future__ import annotations

import hashlib
import os
import re
from datetime import date, timedelta
from pathlib import Path

import pytest

from alerts.incident import Step
from alerts.runbook import RunbookError, parse, read

DISK_FULL = """\
---
runbook: 1
id: disk-full
title: Root disk almost full
owner: team-storage@example.com
alerts: [DiskFull, "disk_*"]
severity: [SEV-2, SEV-3]
service: payments-db
reviewed: 2026-10-01
review_every: 90d
---
## Diagnosis
- [ ] **See what uses the space** `id=usage` `role=responder` `limit=5m`
  Look for one directory that grew.
  ```sh {"name":"usage","run":"read-only","timeout":"30s"}
  df -h / && du -xh --max-depth=1 / | sort -h | tail
  ```
  Expect: one directory above 10 GB
## Mitigation
- [ ] **Clear the journal** `id=journal` `needs=usage` `approve=ic`
  ```sh {"name":"journal","run":"approve","timeout":"2m"}
  journalctl --vacuum-size=500M
  ```
  Expect: exit 0
"""


def steps_runbook(*lines: str) -> str:
    return "\n".join(["---", "runbook: 1", "---", *lines])


def problems_of(text: str) -> list[str]:
    with pytest.raises(RunbookError) as caught:
        parse(text, "r.md")
    return list(caught.value.problems)


def test_the_documented_format_is_read_whole() -> None:
    runbook = parse(DISK_FULL, "runbooks/disk-full.md")
    usage, journal = runbook.steps
    assert (runbook.title, runbook.warnings) == ("Root disk almost full", ())
    assert (usage.id, usage.title, usage.line) == ("usage", "See what uses the space", 13)
    assert (usage.role, usage.limit, usage.expect) == ("responder", timedelta(minutes=5), "one directory above 10 GB")
    assert usage.commands[0].text == "df -h / && du -xh --max-depth=1 / | sort -h | tail\n"
    assert (usage.commands[0].language, usage.commands[0].line) == ("sh", 15)
    assert (usage.commands[0].fields.run, usage.commands[0].fields.timeout) == ("read-only", timedelta(seconds=30))
    assert (journal.needs, journal.approve, journal.expect) == (("usage",), "ic", "exit 0")
    assert runbook.front_matter is not None
    assert runbook.front_matter.alerts == ("DiskFull", "disk_*")
    assert runbook.front_matter.reviewed == date(2026, 10, 1)
    assert runbook.front_matter.review_every == timedelta(days=90)


def test_an_incident_begins_with_every_step_to_do_and_the_pin_of_the_text() -> None:
    runbook = parse(DISK_FULL, "runbooks/disk-full.md")
    assert runbook.todo() == (
        Step(id="usage", title="See what uses the space"),
        Step(id="journal", title="Clear the journal"),
    )
    assert runbook.pin.path == "runbooks/disk-full.md"
    assert runbook.pin.title == "Root disk almost full"
    assert runbook.pin.sha256 == hashlib.sha256(DISK_FULL.encode()).hexdigest()


@pytest.mark.parametrize("data", [b"\xef\xbb\xbf# A\r\n\r\n- [ ] b\r\n", b"# A\n- [ ] b", "# A\n- [ ] b é".encode()])
def test_the_hash_is_that_of_the_very_bytes(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "a.md"
    file.write_bytes(data)
    runbook = read(file, "a.md")
    assert runbook.sha256 == hashlib.sha256(data).hexdigest()
    assert runbook.text.encode() == data
    assert (runbook.title, len(runbook.steps)) == ("A", 1)


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("# KubeNodeNotReady\n\n## Meaning\nIt is.\n## Impact\n## Diagnosis\n## Mitigation\n", "KubeNodeNotReady"),
        ("---\ntitle: Node not ready\nweight: 20\n---\n\n# Other\n## Meaning\n", "Node not ready"),
        ("---\ntitle: 42\n---\n# Forty-two\n", "Forty-two"),
        ("nothing but text", "node"),
        ("", "node"),
        ("---\nrunbook: 1\nnot closed", "node"),
    ],
)
def test_a_runbook_of_another_kind_is_valid_and_has_no_steps(text: str, title: str) -> None:
    runbook = parse(text, "runbooks/node.md")
    assert (runbook.title, runbook.steps, runbook.front_matter) == (title, (), None)


def test_in_a_runbook_of_another_kind_mistakes_are_warnings() -> None:
    runbook = parse("- [ ] **Scale** `replicas=3` `limit=5` `needs=x`\n- [x] set `id=y`\n", "a.md")
    assert [(step.id, step.title, step.limit) for step in runbook.steps] == [
        ("scale", "Scale", None),
        ("set-id-y", "set id=y", None),
    ]
    assert len(runbook.warnings) == 4
    assert all(warning.startswith(("a.md:1: ", "a.md:2: ")) for warning in runbook.warnings)


def test_a_step_without_id_gets_one_from_its_title_and_a_warning_says_so() -> None:
    runbook = parse(
        steps_runbook(
            "- [ ] **See logs**", "- [ ] **See logs!**", "- [ ] **x** `id=see-logs-2`", "- [ ] **日本**", "- [ ] ****"
        ),
        "a.md",
    )
    assert [step.id for step in runbook.steps] == ["see-logs", "see-logs-3", "see-logs-2", "step-4", "step-5"]
    assert runbook.warnings[0].startswith("a.md:4: the step has no id; write `id=see-logs`")
    assert len(runbook.warnings) == 4


def test_tasks_within_lists_and_quotes_are_steps_and_plain_items_belong_to_the_task_around_them() -> None:
    runbook = parse(
        steps_runbook(
            "1. [ ] **Outer** `id=outer`",
            "   - a hint",
            "     ```sh",
            "     echo hint",
            "     ```",
            "   - [x] **Inner** `id=inner`",
            "     Expect: inner works",
            "- not a step",
            "- [ ]",
            "- [link](http://example.com)",
            "",
            "```sh {not json at all",
            "outside of any step",
            "```",
        ),
        "a.md",
    )
    outer, inner = runbook.steps
    assert (outer.id, [command.text for command in outer.commands], outer.expect) == ("outer", ["echo hint\n"], None)
    assert (inner.id, inner.commands, inner.expect) == ("inner", (), "inner works")


def test_every_mistake_is_listed_with_its_line_and_what_would_be_right() -> None:
    text = """\
---
runbook: 1
id: 123
reviewed: yesterday
ownr: me
review_every: 90
severity: SEV-1
id: abc
---
- [ ] **One** `id=x` `needs=nowhere` `limit=5`
- [ ] **Two** `id=x` `lmit=5m` `role=a` `role=b`
  ```sh {"name":"two","run":"never"}
  ```
- [ ] **Three** `id=a b` `limit=999999999999999w`
  ```sh {"name":
  ```
  ```sh {"timeout":"soon"}
  ```
- [ ] **Four** `id=four` `needs=five`
- [ ] **Five** `id=five` `needs=four, one`
- [ ] Six `id=six`
"""
    found = dict.fromkeys(problems_of(text))
    expected = [
        r"r.md:4: reviewed: 'yesterday' is wrong; write a date without quotes, such as 2026-10-01",
        r"r.md:5: ownr: there is no such field; did you mean owner\?",
        r"r.md:6: review_every: 90 is not a duration; write a number and a unit, .*",
        r"r.md:7: severity: 'SEV-1' is wrong; write a list, .*",
        r"r.md:8: id stands twice, first in line 3; keep one",
        r"r.md:10: limit: '5' is not a duration; .*",
        r"r.md:10: needs=nowhere: there is no such step; .*",
        r"r.md:11: lmit= is no attribute; did you mean limit\?",
        r"r.md:11: role= stands twice; keep one",
        r"r.md:11: id=x stands in line 10 already; ids differ",
        r"r.md:12: run: 'never' is wrong; write manual .*",
        r"r.md:14: id=a b is no id; write letters, .*",
        r"r.md:14: limit: .* is longer than any clock can count; .*",
        r"""r.md:15: '{"name":' is not JSON \(.*\); write one such as .*""",
        r"r.md:17: timeout: 'soon' is not a duration; .*",
        r"r.md:20: needs=one: there is no such step; .*",
        r"r.md:(19|20): steps need each other in a circle: .*",
        r"r.md:21: id= has no bold title before it; write such as .*",
    ]
    for pattern in expected:
        assert any(re.fullmatch(pattern, problem) for problem in found), (pattern, list(found))
    assert len(found) == len(expected)


@pytest.mark.parametrize(
    ("front", "problem"),
    [
        ("runbook: 2", "r.md:2: runbook: 2 is wrong; write the version of this format, 1"),
        ("runbook: yes", "r.md:2: runbook: True is wrong; write the version of this format, 1"),
        ("runbook: 1\nid: 123", "r.md:3: id: 123 is wrong; write letters, .* wants quotes"),
        ("runbook: 1\nowner: yes", "r.md:3: owner: True is wrong; write text, in quotes .*"),
        (
            "runbook: 1\nreviewed: '2026-10-01'",
            "r.md:3: reviewed: '2026-10-01' is wrong; write a date without quotes.*",
        ),
        ("runbook: 1\nreviewed: 2026-13-01", "r.md:2: front matter is not YAML: month must be in 1..12"),
        ("runbook: 1\nalerts: [1]", "r.md:3: alerts: 1 is wrong; write a list, .*"),
        ("runbook: 0x" + "f" * 9000, "r.md:2: runbook: a huge number is wrong; .*"),
        ("runbook: 1\nid: [a", "r.md:[34]: front matter is not YAML: .*"),
        ("runbook: 1\nid: &a x\nowner: *a", "r.md:4: front matter is not YAML: an alias is not taken here.*"),
        ("runbook: 1\n1: 2", "r.md:3: 1: .*"),
        ("runbook: \x01", "r.md:2: front matter is not YAML: .*"),
        ("- runbook", "r.md:2: front matter is not a list of fields; .*"),
        ("a: " + "[" * 2000, "r.md:2: front matter is not YAML: .*"),
        ("a: " + "x" * 20_000, "r.md:2: front matter is longer than 16384 characters"),
    ],
)
def test_front_matter_is_checked_strictly(front: str, problem: str) -> None:
    (found,) = problems_of(f"---\n{front}\n---\n# Title\n")
    assert re.fullmatch(problem, found), found


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a\n\udc80", "r.md:2: a lone surrogate is no character; .*"),
        ("a\nb\0", "r.md:2: holds a NUL character; .*"),
        ("é" * 600_000, "r.md: is larger than 1048576 bytes; .*"),
        ("\n" * 20_001, "r.md:20001: has more than 20000 lines; .*"),
        (steps_runbook(*["- [ ] a"] * 201), "r.md:204: 201 steps are more than 200; .*"),
        (steps_runbook("- [ ] **a** `id=a`", "  ```sh {1}", "  ```"), "r.md:5: '[{]1}' is not JSON .*"),
        (steps_runbook("- [ ] **a** `id=a` `limit`", "  ```sh {} {}", "  ```"), "r.md:5: '[{]} [{]}' is not JSON .*"),
    ],
)
def test_what_is_too_much_or_no_text_is_refused(text: str, problem: str) -> None:
    (found,) = problems_of(text)
    assert re.fullmatch(problem, found), found


def test_a_file_that_cannot_be_read_is_a_problem_with_its_path(tmp_path: Path) -> None:
    latin = tmp_path / "latin.md"
    latin.write_bytes(b"# A\n\nfen\xeatre\n")
    large = tmp_path / "large.md"
    large.write_bytes(b"\xff" * 1_048_577)
    os.mkfifo(tmp_path / "fifo.md")
    wanted = {
        "latin.md": "r.md:3: byte 0xea is not UTF-8; save the file as UTF-8",
        "large.md": "r.md: is larger than 1048576 bytes; make runbooks of its parts",
        "fifo.md": "r.md: there is no such file; write the runbook, or correct the path",
        "absent.md": "r.md: there is no such file; write the runbook, or correct the path",
        "n" * 300: "r.md: cannot be read: File name too long",
    }
    for name, problem in wanted.items():
        with pytest.raises(RunbookError) as caught:
            read(tmp_path / name, "r.md")
        assert caught.value.problems == (problem,)
