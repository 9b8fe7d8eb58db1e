"""What is expected of an answer."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.engine.assertions import at_path, body_text, check
from probes.engine.response import Answer
from probes.engine.search import SEARCH_CPU_SECONDS, SearchTooLong, search
from probes.options import Expect
from probes.result import FailureReason

CATASTROPHE = "(a+)+$"
LONG_FOR_IT = "a" * 60 + "b"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)


def answer(body: bytes = b"", *, status: int = 200, content_type: bytes = b"", cut: bool = False) -> Answer:
    headers = [(b"Content-Type", content_type)] if content_type else []
    return Answer(status_code=status, version="1.1", headers=headers, body=body, cut=cut)


def reason(expect: dict[str, Any], given_answer: Answer) -> FailureReason | None:
    found = check(Expect.model_validate(expect), given_answer)
    return found.reason if found else None


def test_a_pattern_that_would_search_for_ever_is_stopped_and_told() -> None:
    began = time.process_time()
    found = check(Expect.model_validate({"body": {"regex": CATASTROPHE}}), answer(LONG_FOR_IT.encode()))
    assert time.process_time() - began < 5
    assert found is not None
    assert found.reason is FailureReason.BODY
    assert "simplify" in found.detail


def test_a_stopped_search_leaves_no_timer_behind() -> None:
    with pytest.raises(SearchTooLong):
        search(CATASTROPHE, LONG_FOR_IT)
    spun_until = time.process_time() + 1.5 * SEARCH_CPU_SECONDS
    while time.process_time() < spun_until:
        assert search("b", "abc")


def test_outside_the_main_thread_a_search_still_works() -> None:
    found: list[bool] = []
    thread = threading.Thread(target=lambda: found.append(search("b", "abc")))
    thread.start()
    thread.join()
    assert found == [True]


@pytest.mark.parametrize(
    ("value", "wanted", "same"),
    [
        (1, 1.0, True),
        (True, 1, False),
        (0, False, False),
        (None, None, True),
        ("1", 1, False),
        ([1], 1, False),
        (10**400, 1, False),
    ],
)
def test_json_values_compare_as_json_does(value: Any, wanted: Any, same: bool) -> None:
    body = json.dumps({"a": value}).encode()
    assert (reason({"json": {"a": wanted}}, answer(body)) is None) is same


@pytest.mark.parametrize("path", ["a.b", "list.2", "list.x", "list.-1", "", "a.", "list.0.0", "list.²"])
def test_a_path_that_leads_nowhere(path: str) -> None:
    with pytest.raises(LookupError):
        at_path({"a": 1, "list": ["x", "y"]}, path)


def test_a_numeric_step_is_an_index_of_a_list_and_a_key_of_an_object() -> None:
    assert at_path([{"0": "x"}], "0.0") == "x"


@given(st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()), st.text(max_size=8))
def test_no_body_makes_a_check_raise(body: bytes, path: str) -> None:
    found = check(Expect.model_validate({"json": {path: "up"}, "body": {"not_regex": "^$"}}), answer(body))
    assert found is None or len(found.detail) <= 500


def test_json_too_deep_to_read_is_not_json() -> None:
    assert reason({"json": {"a": 1}}, answer(b"[" * 200_000)) is FailureReason.JSON


@pytest.mark.parametrize(
    ("content_type", "body", "text"),
    [
        (b"text/plain; charset=latin-1", b"caf\xe9", "café"),
        (b'text/html; charset="Shift_JIS"', "日本".encode("shift_jis"), "日本"),
        (b"text/plain", "café".encode(), "café"),
        (b"text/plain; charset=nonsense", "café".encode(), "café"),
        # Codecs of Python that are no charset of text: quadratic time, or an error of their own.
        (b"text/plain; charset=punycode", b"abc-", "abc-"),
        (b"text/plain; charset=idna", b"abc", "abc"),
        (b"text/plain; charset=zlib", b"abc", "abc"),
        (b"text/plain; charset=unicode_escape", b"\\x41", "\\x41"),
        (b"text/plain; charset=undefined", b"abc", "abc"),
        (b"text/plain", b"\xff ok", "\ufffd ok"),
    ],
)
def test_the_charset_of_the_answer_is_used_when_it_is_one(content_type: bytes, body: bytes, text: str) -> None:
    assert body_text(answer(body, content_type=content_type)) == text
