"""What goes along a chain of redirects: cookies that were set on the way, and what proves who we are only at home."""

from __future__ import annotations

import re

import httpx
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from probes.context import ProbeContext
from probes.engine.exchange import Step
from probes.engine.flow import Cookies
from probes.engine.response import Answer
from probes.http import probe as http_probe
from tests.probes.support import probe, target
from tests.support.misbehaving import OK, Misbehaving, Peer

REDIRECT = b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: %b\r\n%b\r\n"
GOOD = OK + b"Content-Length: 2\r\n\r\nok"


class Chain:
    """Answers each connection with the next of `answers`; the last one again and again."""

    def __init__(self, *answers: bytes) -> None:
        self._answers = list(answers)

    async def __call__(self, peer: Peer) -> None:
        await peer.send(self._answers.pop(0) if len(self._answers) > 1 else self._answers[0])


def cookies(request: bytes) -> set[str]:
    found = re.search(rb"(?i)\r\ncookie: ([^\r]*)", request)
    return set(found[1].decode().split("; ")) if found else set()


async def test_cookies_that_are_set_on_the_way_are_sent_on_and_forgotten_after_the_probe() -> None:
    first = REDIRECT % (b"/a/b", b"Set-Cookie: session=1; Path=/\r\nSet-Cookie: deep=2; Path=/a\r\n")
    second = REDIRECT % (b"/end", b"Set-Cookie: session=3; Path=/; HttpOnly\r\nSet-Cookie: safe=4; Secure\r\n")
    with Misbehaving(Chain(first, second, GOOD)) as server:
        assert (await probe(server.url)).ok
        assert (await probe(server.url)).ok
    assert [cookies(request) for request in server.requests] == [set(), {"session=1", "deep=2"}, {"session=3"}, set()]


async def test_a_target_s_own_cookies_go_along_with_those_of_the_way() -> None:
    with Misbehaving(Chain(REDIRECT % (b"/a", b"Set-Cookie: way=1\r\n"), GOOD)) as server:
        assert (await probe(server.url, headers={"Cookie": SecretStr("own=0")})).ok
    assert [cookies(request) for request in server.requests] == [{"own=0"}, {"own=0", "way=1"}]


async def test_cookies_of_one_host_are_not_for_another() -> None:
    with Misbehaving(Chain(GOOD)) as other:
        elsewhere = other.url.replace("127.0.0.1", "localhost").encode()
        with Misbehaving(Chain(REDIRECT % (elsewhere, b"Set-Cookie: session=1\r\n"))) as server:
            assert (await probe(server.url)).ok
    assert [cookies(request) for request in other.requests] == [set()]


PARTS = [
    b"a=1",
    b"=",
    b";",
    b"\xff\x80=\xe9",
    b"Expires=never",
    b"Max-Age=",
    b"Domain=.",
    b"Domain=a.example",
    b"Path=//",
]
PARTS += [b"Version=2", b'"', b"Port=", b"x" * 300, "\u20ac=1".encode(), b",", b" "]


@given(
    st.lists(st.one_of(st.binary(max_size=20), st.lists(st.sampled_from(PARTS)).map(b"; ".join)), max_size=4),
    st.sampled_from([b"Set-Cookie", b"set-cookie2"]),
)
def test_whatever_a_server_sets_is_taken_or_left(values: list[bytes], name: bytes) -> None:
    jar, request = Cookies(), httpx.Request("GET", "http://a.example/b")
    jar.take(request, Answer(status_code=302, headers=[(name, value) for value in values]))
    jar.put(request)
    sent = request.headers.raw
    assert [value for name, value in sent if name.lower() == b"host"] == [b"a.example"]
    assert all(
        any(part in b"".join(values) for part in value.split(b"; ")) for name, value in sent if name == b"Cookie"
    )


async def test_cookies_that_are_none_do_no_harm() -> None:
    bad = b"".join(b"Set-Cookie: %b\r\n" % value for value in (b"", b"=", b";;", b"\xff\xfe=\x80", b"; ".join(PARTS)))
    with Misbehaving(Chain(REDIRECT % (b"/a", bad), GOOD)) as server:
        assert (await probe(server.url)).ok


async def test_a_user_in_the_address_that_a_server_gave_is_not_sent() -> None:
    with Misbehaving(Chain(GOOD)) as other:
        there = other.url.replace("://", "://some:body@").encode()
        with Misbehaving(Chain(REDIRECT % (there, b""))) as server:
            assert (await probe(server.url)).ok
    assert b"uthorization" not in other.requests[0]


async def test_each_redirect_is_a_step() -> None:
    steps: list[Step] = []
    with Misbehaving(Chain(REDIRECT % (b"/a?token=s3cret", b""), GOOD)) as server:
        await http_probe(target(server.url), ProbeContext(region="test", steps=steps))
        there = server.url.rstrip("/")
    told = [(step.what, step.told()) for step in steps]
    assert ("redirected", f"1: to {there}/a?***") in told
    assert ("answered", "status 200, HTTP/1.1, 2 bytes of body") in told
    assert "s3cret" not in repr(told)
