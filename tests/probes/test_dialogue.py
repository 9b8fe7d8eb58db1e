"""A dialogue as it is written down."""

from __future__ import annotations

import pickle
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from probes.dialogue import Spoken
from probes.target import Target

URL = "tcp://a.example:25"


def target(dialogue: Any, **options: Any) -> Target:
    return Target(**{"name": "t", "url": URL, "dialogue": dialogue, **options})


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("QUIT", "QUIT\n"),
        ("QUIT\r", "QUIT\r\n"),
        ("QUIT\r\n", "QUIT\r\n"),
        ("", "\n"),
        ("$1 ${1} ${word} $word", "one one two two\n"),
        ("$$1 $$ $ ${ 5$", "$1 $ $ ${ 5$\n"),
        ("[${none}]", "[]\n"),
    ],
)
def test_what_is_sent(text: str, line: str) -> None:
    match = re.search(r"(\w+) (?P<word>\w+)(?P<none> x)?", "one two")
    assert Spoken((text,)).filled(match) == line
    assert Spoken((text,)).message(match) == (line if text.endswith("\n") else line.removesuffix("\n"))


@given(st.text())
def test_a_secret_is_sent_as_it_is(secret: str) -> None:
    assert Spoken(("a", SecretStr(secret), "b")).filled(None) == f"a{secret}b\n"


@pytest.mark.parametrize(
    ("dialogue", "said"),
    [
        ([{}], "says nothing; a step has expect, send or starttls: true"),
        ([{"starttls": False}], "says nothing"),
        ([{"expect": "("}], "'(' is not a regular expression"),
        ([{"send": 1}], "Input should be a valid string"),
        ([{"expects": "a"}], "Extra inputs are not permitted"),
        ([{"send": "$1"}], "step 1 sends ${1}, but no expect stands before it; write $$ for a dollar"),
        ([{"expect": "(a)"}, {"send": "${2}"}], "step 2 sends ${2}, but the last expect has no group '2'"),
        ([{"expect": "(a)"}, {"expect": "a", "send": "$1"}], "step 2 sends ${1}, but the last expect has no group"),
        ([{"expect": "(?P<x>a)", "send": "$y"}], "the last expect has no group 'y'"),
        ([{"expect": "a", "send": "$99999999999999999999"}], "has no group"),
        ([{"starttls": True}, {"starttls": True}], "step 2 has starttls, but TLS has begun before"),
    ],
)
def test_a_mistake_is_told_with_its_step(dialogue: Any, said: str) -> None:
    with pytest.raises(ValidationError) as refused:
        target(dialogue)
    assert said in str(refused.value)


@pytest.mark.parametrize("options", [{"url": "tls://a.example"}, {"starttls": "smtp"}])
def test_tls_does_not_begin_twice(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="TLS has begun before"):
        target([{"starttls": True}], **options)
    assert target([{"expect": "a"}], **options).dialogue


@pytest.mark.parametrize("url", ["ws://a.example", "wss://a.example"])
def test_a_websocket_has_tls_from_its_beginning_or_not(url: str) -> None:
    with pytest.raises(ValidationError, match="write wss:// in place of starttls"):
        target([{"starttls": True}], url=url)
    assert target([{"expect": "a"}], url=url).dialogue


def test_a_target_travels_to_its_worker_with_its_dialogue() -> None:
    asked = target([{"expect": "a(b)", "send": Spoken(("$1", SecretStr("hunter2")))}])
    assert pickle.loads(pickle.dumps(asked)) == asked


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("icmp://a.example:1", "an icmp target has no port"),
        ("icmp://", "the address has no host"),
        ("tls://", "the address has no host"),
        ("tcp://a.example", "needs a port"),
    ],
)
def test_addresses(url: str, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Target(name="t", url=url)
