"""The HTTP probe through a real forward proxy, in the clear and under TLS."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from probes.context import ProbeContext
from probes.engine.exchange import Step
from probes.http import probe as http_probe
from probes.result import FailureReason, Phase
from tests.probes.support import detail, probe, reason, target
from tests.support.forward_proxy import ForwardProxy, forward_proxy
from tests.support.misbehaving import Misbehaving, full_backlog
from tests.support.nginx import Nginx
from tests.support.wait import free_port

SECRET = "s3cret-of-a-proxy"
USER = f"prober:{SECRET}"


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForwardProxy]:
    with forward_proxy(tmp_path_factory.mktemp("proxy"), user=USER) as running:
        yield running


@pytest.fixture(scope="module")
def tls_proxy(tmp_path_factory: pytest.TempPathFactory, nginx: Nginx) -> Iterator[ForwardProxy]:
    with forward_proxy(tmp_path_factory.mktemp("tls-proxy"), ca=nginx.ca) as running:
        yield running


def trusted(nginx: Nginx) -> dict[str, Any]:
    return {"tls": {"ca_file": nginx.ca_file}}


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_service_is_asked_through_the_proxy(nginx: Nginx, proxy: ForwardProxy, scheme: str) -> None:
    steps: list[Step] = []
    url = nginx.https_url if scheme == "https" else nginx.http_url
    asked = target(url + "/moved", proxy=proxy.with_user(USER), **trusted(nginx))
    result = await http_probe(asked, ProbeContext(region="test", steps=steps))
    assert result.failure is None
    assert result.http is not None
    assert (result.http.status_code, result.http.redirects) == (200, 1)
    assert (result.tls is not None) is (scheme == "https")
    assert Phase.CONNECT in dict(result.phases)
    assert sum(seconds for _, seconds in result.phases) <= result.duration_seconds
    assert result.address is None, "the service's address is known to the proxy alone"
    assert f"localhost:{proxy.url.rpartition(':')[2]}" in next(s.detail for s in steps if s.what == "reached the proxy")
    assert SECRET not in repr(steps)


async def test_http_2_is_spoken_through_a_tunnel_and_no_connection_is_kept(nginx: Nginx, proxy: ForwardProxy) -> None:
    asked = target(nginx.http2_url, proxy=proxy.with_user(USER), http2=True, reuse=True, **trusted(nginx))
    for _ in range(2):
        result = await http_probe(asked, ProbeContext(region="test"))
        assert result.failure is None
        assert result.http is not None
        assert result.http.version == "2"
        assert Phase.TLS in dict(result.phases)


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_proxy_under_tls_is_verified_and_its_certificate_is_not_the_service_s(
    nginx: Nginx, tls_proxy: ForwardProxy, tmp_path: Path, scheme: str
) -> None:
    url = nginx.https_url if scheme == "https" else nginx.http_url
    result = await probe(url, proxy=tls_proxy.url, **trusted(nginx))
    assert result.failure is None
    assert (result.tls is not None) is (scheme == "https")
    distrusted = await probe(url, proxy=tls_proxy.url)
    assert reason(distrusted) is FailureReason.PROXY
    assert "certificate" in detail(distrusted)


async def test_what_is_wrong_with_the_service_s_certificate_is_told_through_a_proxy(
    tmp_path: Path, nginx: Nginx, tls_proxy: ForwardProxy
) -> None:
    server = Nginx(tmp_path, ca=nginx.ca)
    ended = datetime.now(UTC) - timedelta(days=1)
    server.use_certificate(nginx.ca.issue_cert("localhost", not_before=ended - timedelta(days=9), not_after=ended))
    with server:
        result = await probe(server.https_url, proxy=tls_proxy.url, **trusted(nginx))
    assert reason(result) is FailureReason.CERTIFICATE
    assert result.tls is not None
    assert not result.tls.verified


@pytest.mark.parametrize(("user", "said"), [("prober:wrong-one", "does not take"), (None, "asks for")])
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_proxy_that_wants_other_credentials(
    nginx: Nginx, proxy: ForwardProxy, scheme: str, user: str | None, said: str
) -> None:
    url = nginx.https_url if scheme == "https" else nginx.http_url
    result = await probe(url, proxy=proxy.with_user(user) if user else proxy.url, **trusted(nginx))
    assert reason(result) is FailureReason.PROXY
    assert f"the proxy {proxy.url} {said}" in detail(result)
    assert "407" in detail(result)
    assert "wrong-one" not in repr(result)


async def test_a_service_that_the_proxy_cannot_reach_is_told_as_the_proxy_tells_it(
    tls_proxy: ForwardProxy, nginx: Nginx
) -> None:
    result = await probe(f"https://localhost:{free_port()}/", proxy=tls_proxy.url, **trusted(nginx))
    assert reason(result) is FailureReason.PROXY
    assert tls_proxy.url in detail(result)


async def test_a_proxy_that_is_not_there_and_one_that_does_not_answer(nginx: Nginx) -> None:
    gone = await probe(nginx.http_url, proxy=f"http://{USER}@127.0.0.1:{free_port()}")
    assert reason(gone) is FailureReason.PROXY
    assert "refused" in detail(gone)
    assert SECRET not in detail(gone)
    with full_backlog() as port:
        silent = await probe(nginx.http_url, proxy=f"http://127.0.0.1:{port}", timeout="2s")
    assert reason(silent) is FailureReason.PROXY
    assert "does not answer" in detail(silent)


@pytest.mark.parametrize(
    ("behaviour", "failure"),
    [
        ("closes_at_once", FailureReason.PROXY),
        ("closes_in_the_headers", FailureReason.PROXY),
        ("endless_headers", FailureReason.PROXY),
        ("endless_interim", FailureReason.PROXY),
        ("not_http", FailureReason.PROXY),
        ("endless_body", FailureReason.TLS),  # status 200 and then what is no TLS
    ],
)
async def test_a_proxy_that_misbehaves_when_it_is_asked_to_connect(behaviour: str, failure: FailureReason) -> None:
    with Misbehaving(behaviour) as server:
        result = await probe("https://service.invalid/", proxy=server.url, timeout="8s")
    assert reason(result) is failure, result.failure
    assert server.requests[0].startswith(b"CONNECT service.invalid:443 HTTP/1.1\r\nHost: service.invalid:443\r\n")


async def test_an_address_is_asked_for_in_full_and_secrets_of_the_service_stay_out_of_connect() -> None:
    with Misbehaving("closes_at_once") as server:
        proxied: dict[str, Any] = {
            "proxy": server.url.replace("://", f"://{USER}@"),
            "headers": {"X-Key": "of-the-service"},
        }
        await probe("http://service.invalid/a?b=c", **proxied)
        await probe("https://[::1]:8443/", **proxied)
    assert server.requests[0].startswith(b"GET http://service.invalid/a?b=c HTTP/1.1\r\n")
    assert b"\r\nProxy-Authorization: Basic " in server.requests[0]
    assert b"X-Key: of-the-service" in server.requests[0]
    assert server.requests[1].startswith(b"CONNECT [::1]:8443 HTTP/1.1\r\n")
    assert b"of-the-service" not in server.requests[1]


async def test_a_proxy_of_the_environment_is_not_looked_at(nginx: Nginx, monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, nowhere)
    assert (await probe(nginx.http_url + "/moved")).ok
    assert (await probe(nginx.https_url, **trusted(nginx))).ok


async def test_a_reference_that_nobody_looked_up_is_our_fault() -> None:
    result = await probe("http://127.0.0.1/", proxy="env:PROXY")
    assert reason(result) is FailureReason.INTERNAL
