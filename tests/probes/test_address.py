from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.address import mistake_in


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost",
        "https://[2001:db8::1]:8443/a?b=c",
        "http://b\u00fccher.example/",
        "http://a_b.example./",
        "tcp://192.0.2.1:22",
        "dns:///example.com",
        "grpc://[2001:db8::1]:50051/shop.v1.Stock",
        "grpcs://example.com:443",
        "wss://example.com/chat?room=1",
        "dns://[2001:db8::53]:5353/example.com?type=aaaa;class=IN",
    ],
)
def test_what_can_be_asked(url: str) -> None:
    assert mistake_in(url) is None


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://a..b/", "'a..b' is not a host; write a name such as"),
        ("http://xn--zzzzzz.example/", "cannot be asked: Invalid A-label; write one such as"),
        ("http://192.0.2.400/", "cannot be asked: Invalid IPv4 address"),
        ("tcp://a..b:22", "'a..b' is not a host"),
        ("tcp://example.com:0", "the port 0 cannot be connected to"),
        ("grpc://a..b:50051", "'a..b' is not a host"),
        ("grpc://a:1/b?c", "remove what begins with ? or #"),
        ("ws://a..b/", "'a..b' is not a host"),
        ("ws://192.0.2.400/", "cannot be asked: Invalid IPv4 address"),
        ("wss://a/#b", "has no fragment; remove what begins with #"),
        ("dns://a..b/example.com", "'a..b' is not a host"),
        ("dns://192.0.2.53", "no name to ask for; write one such as dns://"),
        ("dns:///example.com?type=AAAAA", "cannot ask for AAAAA of 'example.com'"),
        ("dns:///example.com?typ=A", "only type is known"),
        ("dns:///version.bind?class=CH;type=TXT", "only type is known"),
    ],
)
def test_what_cannot_be_asked_is_told_with_what_would_be_right(url: str, said: str) -> None:
    assert said in (mistake_in(url) or "")


@given(
    st.sampled_from(["http://", "https://", "tcp://", "dns://", "dns:///", "grpc://", "wss://", ""]),
    st.text(max_size=30),
)
def test_any_text_is_judged(scheme: str, rest: str) -> None:
    assert mistake_in(scheme + rest) != ""
