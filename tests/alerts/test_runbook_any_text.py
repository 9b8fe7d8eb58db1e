from __future__ import annotations

import re
import time
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.runbook import RunbookError, parse, render_html

PARTS = (
    '---\n¦runbook: 1\n¦- [ ] ¦**¦`id=¦`needs=¦`¦\n¦  ¦```sh {¦{"name":"a"}¦}¦&a ¦*a¦Expect: '
    "¦[¦](¦)¦<¦# ¦|¦\t¦a¦=¦:¦é¦\ufeff¦\r¦1. ¦> ¦!"
)
FRAGMENTS = st.lists(st.sampled_from(PARTS.split("¦")), max_size=60).map("".join)


@settings(deadline=None)
@given(st.one_of(st.text(max_size=300), FRAGMENTS, FRAGMENTS.map(lambda body: f"---\nrunbook: 1\n---\n{body}")))
def test_any_text_is_a_runbook_or_a_runbook_error(text: str) -> None:
    problems: tuple[str, ...] = ()
    try:
        runbook = parse(text, "r.md")
    except RunbookError as error:
        problems = error.problems
    if problems:
        assert all(problem.startswith("r.md:") and "\n" not in problem for problem in problems)
        return
    ids = [step.id for step in runbook.steps]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", id) for id in ids)
    assert runbook.title == " ".join(runbook.title.split())


# Each grows faster than its length in a parser that is not careful; sizes are near the limits of a runbook.
HOSTILE: dict[str, str] = {
    "tasks": "- [ ] a\n" * 19_000,
    "brackets in a task": "- [ ] " + "[" * 1_000_000,
    "stars": "*" * 1_000_000,
    "images": "![" * 500_000,
    "headings": "# a\n" * 19_000,
    "numbers": "".join(f"{number}. a\n" for number in range(19_000)),
    "quotes": "> " * 500_000,
    "json": '- [ ] **a**\n  ```sh {"a":' + "[" * 500_000 + "\n  ```",
}


@pytest.mark.parametrize("work", [lambda text: parse(text, "r.md"), render_html], ids=["parse", "render"])
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_text_takes_seconds_at_most(text: str, work: Callable[[str], object]) -> None:
    begun = time.process_time()
    with suppress(RunbookError):
        work(text)
    assert time.process_time() - begun < 20  # a second here; the square of these lengths would be minutes
