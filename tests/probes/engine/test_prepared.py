"""Redirects: where they lead and what goes along."""

from __future__ import annotations

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from probes.engine.exchange import Exchange
from probes.engine.failures import Unanswered
from probes.engine.prepared import prepare, redirected
from probes.engine.request import origin
from probes.engine.response import Answer
from tests.probes.support import target

PREPARED = prepare(target("http://a.example/start?q=1", method="POST", body="body", headers={"X-Key": SecretStr("k")}))


def follow(location: bytes, status: int = 302) -> httpx.Request:
    answer = Answer(status_code=status, headers=[(b"Location", location)])
    return redirected(PREPARED, PREPARED.request(Exchange(), 0.0), answer)


@pytest.mark.parametrize(
    ("location", "url", "with_key"),
    [
        (b"/there", "http://a.example/there", True),
        (b"there", "http://a.example/there", True),
        (b"http://a.example:80/x", "http://a.example/x", True),
        (b"http://a.example:8080/x", "http://a.example:8080/x", False),
        (b"https://a.example/x", "https://a.example/x", False),
        (b"//b.example/x", "http://b.example/x", False),
        (b"http://b.example/x", "http://b.example/x", False),
    ],
)
def test_the_target_s_own_headers_go_only_to_its_own_origin(location: bytes, url: str, with_key: bool) -> None:
    request = follow(location)
    assert str(request.url) == url
    assert ("x-key" in request.headers) is with_key
    assert request.headers["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    ("status", "method", "body"),
    [(301, "GET", b""), (302, "GET", b""), (303, "GET", b""), (307, "POST", b"body"), (308, "POST", b"body")],
)
def test_only_307_and_308_keep_the_method_and_the_body(status: int, method: str, body: bytes) -> None:
    request = follow(b"/x", status)
    assert (request.method, request.content) == (method, body)
    assert ("content-length" in request.headers) is bool(body)


@given(st.binary(max_size=40) | st.text(max_size=40).map(str.encode))
def test_any_location_gives_a_request_or_a_failure_without_its_query(location: bytes) -> None:
    told = ""
    try:
        request = follow(location + b"?token=s3cret")
    except Unanswered as unanswered:
        told = unanswered.failure.detail
    else:
        assert request.url.scheme in ("http", "https")
        assert ("x-key" in request.headers) is (origin(request.url) == origin(PREPARED.url))
    assert "s3cret" not in told


def test_a_user_in_a_location_is_not_shown() -> None:
    with pytest.raises(Unanswered) as raised:
        follow(b"ftp://user:pass@b.example/x")
    assert "pass" not in raised.value.failure.detail
