"""What is expected of an answer."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.engine.assertions import body_text, check, check_tls
from probes.engine.response import Answer
from probes.engine.search import SEARCH_CPU_SECONDS, SearchTooLong, search
from probes.options import Expect, TlsExpect
from probes.result import FailureReason, TlsSession

CATASTROPHE = "(a+)+$"
LONG_FOR_IT = "a" * 60 + "b"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)


def answer(
    body: bytes = b"",
    *,
    status: int = 200,
    content_type: bytes = b"",
    cut: bool = False,
    headers: Sequence[tuple[bytes, bytes]] = (),
    version: str = "1.1",
    packed: str = "",
) -> Answer:
    own = [(b"Content-Type", content_type)] if content_type else []
    return Answer(status_code=status, version=version, headers=[*own, *headers], body=body, cut=cut, packed=packed)


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


DOTTED = st.text(max_size=8).filter(lambda path: not path.startswith("$"))  # that would be a JSONPath, or a mistake


@given(st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()), DOTTED)
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


HEADERS = [(b"Server", b"nginx"), (b"SET-COOKIE", b"a=1"), (b"Set-Cookie", b"b=2"), (b"X-Odd", b"\xe9")]


@pytest.mark.parametrize(
    ("expect", "said"),
    [
        ({"headers": {"server": "^nginx$"}}, None),
        ({"headers": {"Server": "apache"}}, "the header Server does not match 'apache'"),
        ({"headers": {"Set-Cookie": "^b="}}, None),
        ({"headers": {"X-None": ""}}, "there is no header X-None"),
        ({"headers": {"X-Odd": "é"}}, None),
        ({"not_headers": {"X-None": ""}}, None),
        ({"not_headers": {"Server": "apache"}}, None),
        ({"not_headers": {"Server": "nginx"}}, "the header Server matches 'nginx'"),
        ({"not_headers": {"set-cookie": "^b="}}, "the header set-cookie matches '^b='"),
    ],
)
def test_headers(expect: dict[str, Any], said: str | None) -> None:
    found = check(Expect.model_validate(expect), answer(headers=HEADERS))
    assert (found.detail if found else None) == said
    assert found is None or found.reason is FailureReason.HEADER


def test_a_pattern_that_would_search_a_header_for_ever_is_stopped_and_told() -> None:
    headers = [(b"X-Long", LONG_FOR_IT.encode())]
    found = check(Expect.model_validate({"headers": {"X-Long": CATASTROPHE}}), answer(headers=headers))
    assert found is not None
    assert found.reason is FailureReason.HEADER
    assert "simplify" in found.detail


@pytest.mark.parametrize(
    ("version", "wanted", "good"),
    [
        ("1.1", [], True),
        ("1.1", ["1.1", "2"], True),
        ("1.0", ["1.1"], False),
        ("1.1", ["2"], False),
        ("2", ["2"], True),
        ("2.0", ["2"], True),
        ("1.0", ["1.0"], True),
    ],
)
def test_http_versions(version: str, wanted: list[str], good: bool) -> None:
    found = reason({"http_version": wanted}, answer(version=version))
    assert found is (None if good else FailureReason.VERSION)


@pytest.mark.parametrize(
    ("size", "body", "cut", "found"),
    [
        ({}, b"", False, None),
        ({"min": 3}, b"abc", False, None),
        ({"min": 4}, b"abc", False, FailureReason.BODY),
        ({"min": 3}, b"abc", True, None),
        ({"min": 4}, b"abc", True, FailureReason.TOO_LARGE),
        ({"max": 3}, b"abc", False, None),
        ({"max": 2}, b"abc", False, FailureReason.TOO_LARGE),
        ({"max": 3}, b"abc", True, FailureReason.TOO_LARGE),
        ({"max": 9}, b"abc", True, FailureReason.TOO_LARGE),
        ({"min": 0, "max": 0}, b"", False, None),
    ],
)
def test_sizes(size: dict[str, int], body: bytes, cut: bool, found: FailureReason | None) -> None:
    assert reason({"size": size}, answer(body, cut=cut)) is found


@pytest.mark.parametrize(
    ("expect", "found"),
    [
        ({"status": [200], "headers": {"Content-Type": "text"}}, None),
        ({"body": {"regex": "a"}}, FailureReason.BODY),
        ({"body": {"not_regex": "a"}}, FailureReason.BODY),
        ({"size": {"max": 100}}, FailureReason.BODY),
        ({"json": {"a": 1}}, FailureReason.BODY),
    ],
)
def test_a_body_that_cannot_be_unpacked_is_judged_only_as_that(
    expect: dict[str, Any], found: FailureReason | None
) -> None:
    assert reason(expect, answer(b"a", content_type=b"text/plain", packed="br")) is found


NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("expect", "version", "days", "found"),
    [
        ({}, "TLS 1.0", -1, None),
        ({"version": "1.2"}, "TLS 1.2", 1, None),
        ({"version": "1.2"}, "TLS 1.3", 1, None),
        ({"version": "1.3"}, "TLS 1.2", 1, FailureReason.VERSION),
        ({"version": "1.0"}, "SSLv3", 1, FailureReason.VERSION),
        ({"expiry": "14d"}, "TLS 1.2", 14, None),
        ({"expiry": "14d"}, "TLS 1.2", 13.9, FailureReason.CERTIFICATE),
        ({"version": "1.3", "expiry": "14d"}, "TLS 1.2", 1, FailureReason.VERSION),
    ],
)
def test_tls(expect: dict[str, Any], version: str, days: float, found: FailureReason | None) -> None:
    ends = NOW + timedelta(days=days)
    session = TlsSession(version=version, cipher="c", not_after=ends, leaf_sha256="00", verified=True)
    failed = check_tls(TlsExpect.model_validate(expect), session, NOW)
    assert (failed.reason if failed else None) is found


def test_an_answer_without_tls_is_not_what_was_expected_of_tls() -> None:
    failed = check_tls(TlsExpect.model_validate({"version": "1.2"}), None, NOW)
    assert failed is not None
    assert failed.reason is FailureReason.VERSION
    assert check_tls(TlsExpect(), None, NOW) is None
