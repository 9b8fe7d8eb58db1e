"""What is expected of a JSON body: paths, values, and documents that are made to hurt."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.engine.json_check import at_path, check_json
from probes.engine.jsonpath import MAX_PATH_CHARACTERS, compiled, values_at
from probes.options import Expect
from probes.result import FailureReason

DOCUMENT = {
    "status": "up",
    "lag": 3,
    "checks": [{"name": "db", "status": "ok", "ms": 1.5}, {"name": "queue", "status": "ok", "ms": 20}],
    "none": None,
    "yes": True,
    "$schema": "x",
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)


def problem(expected: dict[str, Any], document: Any = DOCUMENT) -> str | None:
    wanted = Expect.model_validate({"json": expected}).json_
    failure = check_json(wanted, document)
    assert failure is None or failure.reason is FailureReason.JSON
    return failure.detail if failure else None


@pytest.mark.parametrize(
    ("path", "wanted", "said"),
    [
        ("status", "up", None),
        ("$.status", "up", None),
        ("$.checks[*].status", "ok", None),
        ("$.checks[*].name", "db", '$.checks[*].name is "queue", expected "db"'),
        ("$.checks[?@.ms > 10].name", "queue", None),
        ("$.checks[?@.status != 'ok']", {"exists": False}, None),
        ("$.checks[?@.ms > 10]", {"exists": False}, "is a dict, expected nothing there"),
        ("$.checks[?search(@.name, '^q')].ms", {"min": 20, "max": 20}, None),
        ("$.checks[-1].name", "queue", None),
        ("$..ms", {"max": 10}, "$..ms is 20, expected 10 or less"),
        ("$..ms", {"min": 1.5}, None),
        ("$.lag", {"min": 4}, "$.lag is 3, expected 4 or more"),
        ("$['$schema']", "x", None),
        ("$.nowhere", 1, "$.nowhere is not there, expected 1"),
        ("nowhere", {"exists": True}, "nowhere is not there"),
        ("nowhere", {"exists": False}, None),
        ("nowhere", {"matches": "a"}, "nowhere is not there"),
        ("none", {"exists": True}, None),
        ("none", None, None),
        ("status", {"matches": "^u"}, None),
        ("status", {"matches": "^d"}, "status is \"up\", which does not match '^d'"),
        ("lag", {"matches": "^3$"}, None),
        ("yes", {"matches": "true"}, None),
        ("checks", {"matches": "db"}, "checks is a list, which does not match 'db'"),
        ("yes", {"min": 0}, "yes is true, expected a number"),
        ("status", {"max": 9}, 'status is "up", expected a number'),
    ],
)
def test_paths_and_what_is_expected_there(path: str, wanted: Any, said: str | None) -> None:
    told = problem({path: wanted})
    assert told is None if said is None else said in (told or "")


@pytest.mark.parametrize("document", ['{"a": 1}', "text", 1, None, True, [], {}])
def test_a_document_that_is_one_value_has_nothing_in_it(document: Any) -> None:
    """The library would read text as JSON once more."""
    assert list(values_at(document, "$")) == [document]
    assert list(values_at(document, "$.a")) == []


@pytest.mark.parametrize("path", ["a.b", "list.2", "list.x", "list.-1", "", "a.", "list.0.0", "list.²"])
def test_a_path_that_leads_nowhere(path: str) -> None:
    with pytest.raises(LookupError):
        at_path({"a": 1, "list": ["x", "y"]}, path)


def test_a_numeric_step_is_an_index_of_a_list_and_a_key_of_an_object() -> None:
    assert at_path([{"0": "x"}], "0.0") == "x"


@pytest.mark.parametrize(
    ("path", "document"),
    [
        ("$..*..*..*..*", [[[[1, 2, 3] * 9] * 9] * 9] * 9),
        ("$[?search(@, '(a+)+$')]", ["a" * 60 + "b"]),
        ("$[?count($..*) > 0]", [[1] * 300] * 300),
    ],
)
def test_a_search_that_would_take_for_ever_is_stopped_and_told(path: str, document: Any) -> None:
    began = time.process_time()
    told = problem({path: {"exists": True}}, document) or problem({path: {"min": 0}}, document)
    assert time.process_time() - began < 5
    assert told is None or "simplify" in told or "number" in told or "not there" in told


def test_a_pattern_that_would_search_a_value_for_ever_is_stopped_and_told() -> None:
    assert "simplify" in (problem({"a": {"matches": "(a+)+$"}}, {"a": "a" * 60 + "b"}) or "")


def test_a_document_too_deep_for_a_path_is_told() -> None:
    deep: Any = 1
    for _ in range(500):
        deep = {"a": deep}
    assert "nested too deeply" in (problem({"$..b": 1}, deep) or "")
    assert problem({".".join("a" * 500): 1}, deep) is None


@given(st.text(max_size=40).map("$".__add__))
def test_any_text_is_a_path_or_is_not(path: str) -> None:
    try:
        compiled(path)
    except ValueError:
        return
    list(values_at(DOCUMENT, path))


def test_a_path_has_a_bound() -> None:
    assert list(values_at({"a": 1}, "$" + ".a" * (MAX_PATH_CHARACTERS // 2 - 1))) == []
    with pytest.raises(ValueError, match="longer than"):
        compiled("$" + ".a" * 100_000)


@given(JSON, st.sampled_from(["$", "$.*", "$..*", "$[0]", "$[?@.a]", "$[?@ > 1]", "a", "0.a"]), JSON)
def test_no_document_makes_a_check_raise(document: Any, path: str, wanted: Any) -> None:
    expected = wanted if not isinstance(wanted, dict | list) else {"exists": True, "matches": "a"}
    told = problem({path: expected}, json.loads(json.dumps(document)))
    assert told is None or len(told) <= 500
