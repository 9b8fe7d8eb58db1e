"""The tree of a settings file: places, limits, and any text at all."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from monitor.errors import UserError
from monitor.settings import load
from monitor.settings.document import Unreadable, read_document

plain = st.none() | st.booleans() | st.integers(-999, 999) | st.text("abc: #'\"\\\n\té", max_size=8)
trees = st.recursive(
    plain,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abcxyz", min_size=1, max_size=3), inner),
    max_leaves=20,
)


@given(st.dictionaries(st.text("abcxyz", min_size=1, max_size=3), trees, min_size=1))
def test_a_file_is_read_as_yaml_reads_it(data: dict[str, Any]) -> None:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "m.yaml"
        file.write_text(yaml.safe_dump(data, allow_unicode=True))
        tree, problems = read_document(file)
    assert tree.plain() == data
    assert problems == []


WORDS = (
    "targets:",
    "name: a",
    "url: http://a",
    "pagerduty:",
    "routes:",
    "routing_key: env:A",
    "defaults:",
    "every: 1s",
)
MARKS = (
    "<<: ",
    "&a ",
    "*a",
    "!!int ",
    "!!bool ",
    "!!timestamp ",
    "!!set ",
    "!!binary ",
    "!x ",
    "? ",
    "---\n",
    "- ",
    ": ",
)
SCALARS = ("0o7", "017", "~", "=", ".nan", "1:2", "on", "2026-01-31", "1e9", "\ufeff")
yamlish = st.lists(st.sampled_from([*WORDS, *MARKS, *SCALARS, "\n", "\n  ", *"{}[],:'|>\"%#\t "]), max_size=40).map(
    "".join
)


@given(yamlish | st.text(max_size=40))
def test_any_text_is_settings_or_refused_line_by_line(text: str) -> None:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "m.yaml"
        file.write_text(text, encoding="utf-8", errors="replace")
        try:
            load(file, environ={"A": "a-long-key"})
            said: tuple[str, ...] = ()
        except UserError as error:
            said = error.problems
    assert all(problem.startswith(str(file)) and problem.isprintable() for problem in said)


variables = st.dictionaries(
    st.lists(
        st.sampled_from(
            ["TARGETS", "0", "1", "A", "URL", "HEADERS", "PAGERDUTY", "ROUTES", "DEFAULT", "STORE", "EVERY"]
        )
        | st.sampled_from(["DEFAULTS", "EXPECT", "STATUS", "JSON", "", "x", "TLS", "LOGS", "NAME"]),
        min_size=1,
        max_size=5,
    ).map(lambda names: "MONITOR_" + "__".join(names)),
    st.sampled_from(["", "1", "x", "[", "[]", "{}", "null", '["a"]', '{"a": 1}', '{"0": {}}', "env:A", "file:a", "1s"]),
    max_size=4,
)


@given(variables)
def test_any_variables_are_settings_or_refused_name_by_name(environ: dict[str, str]) -> None:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "m.yaml"
        file.write_text(
            "pagerduty: {routes: {default: {driver: sink, file: p}}}\ntargets: [{name: a, url: 'http://a'}]\n"
        )
        try:
            load(file, environ=environ)
            said: tuple[str, ...] = ()
        except UserError as error:
            said = error.problems
    assert all(problem.split(": ")[0].split(":")[0] in {*environ, str(file)} for problem in said)


def test_places_are_the_lines_of_the_fields(tmp_path: Path) -> None:
    file = tmp_path / "m.yaml"
    file.write_text("# a comment\na:\n  b:\n  - c\n  -\n    d: 'e'\n")
    tree, _ = read_document(file)
    for path, line in ((("a",), 2), (("a", "b"), 3), (("a", "b", 0), 4), (("a", "b", 1, "d"), 6)):
        node = tree.at(path)
        assert node is not None
        assert (node.origin.place, node.origin.path) == (f"{file}:{line}", path)


def test_a_byte_order_mark_is_no_part_of_the_first_field(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert read_document(tmp_path / "m.yaml")[0].plain() == {"a": 1}


@pytest.mark.parametrize("deep", ["[" * 200_000, "- " * 200_000, "{a: " * 100_000])
def test_deep_nesting_ends_the_reading_and_not_the_process(tmp_path: Path, deep: str) -> None:
    (tmp_path / "m.yaml").write_text("a: 1\nb:\n  " + deep + "\n")
    with pytest.raises(Unreadable, match=r"m.yaml:3: is nested too deeply"):
        read_document(tmp_path / "m.yaml")
