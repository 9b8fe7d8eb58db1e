"""A known secret is never in redacted text; what looks like a secret is not either; other text stays as it was."""

from __future__ import annotations

import base64
import json
import pickle
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from monitor.redact import MASK, SHORTEST_SECRET, Redactor, SecretTooShort, is_secret_header, is_secret_name

secrets = st.text(min_size=SHORTEST_SECRET, max_size=24)
SECRET = 'hunter2 \'n "q"\\/é\n'


def redactor(*known: str) -> Redactor:
    made = Redactor()
    for secret in known:
        made.register(secret)
    return made


@given(secrets, secrets, st.text(max_size=12), st.text(max_size=12))
@example("****", "x***", "*", "*")
@example("aaaa", "bb**", "a", "bb")
def test_a_known_secret_is_never_in_redacted_text(one: str, other: str, before: str, after: str) -> None:
    redacted = redactor(one, other).redact(f"{before}{one}{after}{other}{before}")
    assert one not in redacted
    assert other not in redacted


@given(secrets, st.text(max_size=20))
def test_redacting_twice_is_redacting_once(secret: str, text: str) -> None:
    known = redactor(secret)
    once = known.redact(text + secret)
    assert known.redact(once) == once


@pytest.mark.parametrize(
    "travelling",
    [
        quote(SECRET, safe=""),
        quote(SECRET),
        quote_plus(SECRET),
        json.dumps(SECRET)[1:-1],
        json.dumps(SECRET, ensure_ascii=False)[1:-1],
        repr(SECRET)[1:-1],
        ascii(SECRET)[1:-1],
    ],
)
def test_a_known_secret_is_found_in_the_forms_in_which_it_travels(travelling: str) -> None:
    assert redactor(SECRET).redact(f"a {travelling} b") == f"a {MASK} b"


@given(st.binary(max_size=9), st.text("abcXYZ019-_", min_size=8, max_size=20), st.binary(max_size=9))
def test_a_known_secret_is_found_in_the_base64_of_what_holds_it(before: bytes, secret: str, after: bytes) -> None:
    """At most the two characters at its edges, which it shares with its neighbours, stay."""
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        coded = encode(before + secret.encode() + after).decode()
        redacted = redactor(secret).redact(coded)
        assert MASK in redacted
        bare = encode(before).decode().rstrip("=")[: len(before) * 8 // 6]
        assert redacted.startswith(bare)
        assert len(redacted) <= len(coded) - (len(secret) * 8 // 6 - 1) + len(MASK)


@pytest.mark.parametrize("value", ["", "a", "abc"])
def test_what_is_too_short_to_mask_is_refused(value: str) -> None:
    with pytest.raises(SecretTooShort, match="at least 4 characters") as caught:
        Redactor().register(value)
    assert value == "" or f"'{value}'" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("GET /a?token=abc&b=1", "GET /a?token=***&b=1"),
        ("GET /a?b=1&api_key=abc HTTP/1.1", "GET /a?b=1&api_key=*** HTTP/1.1"),
        ("GET /a?key=abc&x=1", "GET /a?key=***&x=1"),
        ("GET /a?access_token=abc#x", "GET /a?access_token=***"),
        ("postgresql://user:pass@db:5432/x", "postgresql://***@db:5432/x"),
        ("see https://token@host/path, please", "see https://***@host/path, please"),
        ("Authorization: Bearer abc.def", "Authorization: ***"),
        ("Cookie: a=b; c=d\nHost: x", "Cookie: ***\nHost: x"),
        ("{'Authorization': 'Bearer abc', 'Accept': 'x'}", "{'Authorization': '***', 'Accept': 'x'}"),
        ("[(b'x-api-key', b'abc'), (b'host', b'x')]", "[(b'x-api-key', b'***'), (b'host', b'x')]"),
        ('{"routing_key": "abc def", "event_action": "trigger"}', '{"routing_key": "***", "event_action": "trigger"}'),
        ("password=abc, user=me", "password=***, user=me"),
        ("client_secret: abc", "client_secret: ***"),
        ("dedup_key=monitor:eu:1 is open", "dedup_key=monitor:eu:1 is open"),
        ("an authorization was refused; tokens are short", "an authorization was refused; tokens are short"),
        ("https://example.com/a@b?c=d", "https://example.com/a@b?c=d"),
        ("keyboard=qwerty monkey: x", "keyboard=qwerty monkey: x"),
    ],
)
def test_what_looks_like_a_secret_is_masked_and_nothing_else(text: str, redacted: str) -> None:
    assert Redactor().redact(text) == redacted
    assert Redactor().redact(redacted) == redacted


@given(st.text("abcdefgh 0123456789.,;", max_size=60))
def test_plain_text_stays_as_it_is(text: str) -> None:
    assert redactor("never-there").redact(text) == text


leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.binary(max_size=9)
data = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
)


@given(secrets, data)
def test_a_known_secret_is_nowhere_in_redacted_data(secret: str, inner: Any) -> None:
    value = redactor(secret).redact_value({secret: inner, "a": [secret, (secret,), {secret}, {"b": f"x{secret}"}]})
    assert not any(secret in text for text in texts(value))


def texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for pair in value.items() for item in pair for text in texts(item)]
    if isinstance(value, list):
        return [text for item in value for text in texts(item)]
    return [value] if isinstance(value, str) else []


class Shy:
    def __repr__(self) -> str:
        raise RuntimeError("hunter2")


def test_data_keeps_its_shape_and_objects_become_text() -> None:
    deep: Any = "hunter2"
    for _ in range(30):
        deep = [deep]
    event = {"n": 3, "x": 1.5, "password": 1234, "token": None, "path": Path("/a/hunter2"), "shy": Shy(), "pin": 12345}
    assert redactor("hunter2", "12345").redact_value(event) == {
        "n": 3,
        "x": 1.5,
        "password": MASK,
        "token": None,
        "path": "/a/***",
        "shy": "<Shy without a repr: RuntimeError>",
        "pin": MASK,
    }
    assert "hunter2" not in str(redactor("hunter2").redact_value(deep))


@pytest.mark.parametrize("name", ["Authorization", "X-Api-Key", "Cookie", "X-Auth-Token", "My-Secret", "PRIVATE-TOKEN"])
def test_headers_that_carry_secrets(name: str) -> None:
    assert is_secret_header(name)
    assert is_secret_name(name)


@pytest.mark.parametrize("name", ["Accept", "Host", "User-Agent", "Content-Type"])
def test_headers_that_carry_none(name: str) -> None:
    assert not is_secret_header(name)


def test_a_hostile_text_is_redacted_in_little_time() -> None:
    """Each would take hours if an expression went back over it; the test's own time limit is what it could fail by."""
    known = redactor("hunter2-and-more")
    for piece in ("a-", "token-", "a://", "token=", "authorization", "key_", "'\",", "https://a@", "?key=", "a.b-"):
        assert known.redact(piece * 20_000)


def test_one_secret_more_changes_nothing_for_those_known() -> None:
    known = redactor("first-secret")
    before = known.redact("first-secret other")
    known.register("second-secret")
    known.register("first-secret")
    assert known.redact("first-secret other") == before
    assert pickle.dumps(known.redact("x"))
