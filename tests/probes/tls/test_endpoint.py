"""What people type, and what servers print."""

from __future__ import annotations

import pytest
from cryptography.x509 import Name, NameAttribute
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from probes.tls.endpoint import Endpoint, parse_endpoint
from probes.tls.text import MAX_CHARACTERS, name_of, printable


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("example.com", Endpoint("example.com", 443)),
        ("Example.COM.", Endpoint("example.com", 443)),
        ("example.com:8443", Endpoint("example.com", 8443)),
        ("localhost:1", Endpoint("localhost", 1)),
        ("under_score.example.com", Endpoint("under_score.example.com", 443)),
        ("bücher.example", Endpoint("xn--bcher-kva.example", 443)),
        ("192.0.2.1:8443", Endpoint("192.0.2.1", 8443)),
        ("2001:DB8::1", Endpoint("2001:db8::1", 443)),
        ("[2001:db8::1]", Endpoint("2001:db8::1", 443)),
        ("[::1]:8443", Endpoint("::1", 8443)),
        ("https://example.com/health?x=1", Endpoint("example.com", 443)),
        ("https://[::1]:8443/", Endpoint("::1", 8443)),
    ],
)
def test_hosts_as_people_write_them(text: str, expected: Endpoint) -> None:
    assert parse_endpoint(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *["", " ", ":443", "a b", "exa mple.com", "-a.example", "a..example", "a/b", "x" * 64, "a\n", "a.example:1:2"],
        *["192.0.2.256", "1.2.3", "[192.0.2.1]", "[::1", "[::1]443", "::g"],
        *["http://example.com", "https://user@example.com"],
    ],
)
def test_what_is_no_host_is_named_with_what_would_be(text: str) -> None:
    with pytest.raises(ValueError, match="is not a host; write HOST or HOST:PORT") as caught:
        parse_endpoint(text)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize("port", ["0", "65536", "http", "-1", "", "४४३", "99999999"])
def test_what_is_no_port_is_named(port: str) -> None:
    with pytest.raises(ValueError, match="a port is a number from 1 to 65535"):
        parse_endpoint(f"example.com:{port}")


@given(st.text(max_size=60))
def test_any_text_is_an_endpoint_that_reads_back_or_an_error(text: str) -> None:
    try:
        endpoint = parse_endpoint(text)
    except ValueError:
        return
    assert parse_endpoint(str(endpoint)) == endpoint


@given(st.text(max_size=600))
def test_a_servers_text_is_short_and_cannot_steer_a_terminal(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    assert len(shown) <= MAX_CHARACTERS


def test_control_characters_are_spelled_out() -> None:
    assert printable("a\x1b[2Jb\n") == "a\\x1b[2Jb\\n"


def test_a_distinguished_name_is_printable_too() -> None:
    assert "\x1b" not in name_of(Name([NameAttribute(NameOID.COMMON_NAME, "a\x1b]0;x")]))
    assert name_of(Name([])) == "(no name)"
