"""How the HTTP probe proves who it is, against real servers that want to know."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme

from probes.engine.exchange import Exchange
from probes.engine.transport import ProbeTransport
from probes.http import probe as http_probe
from probes.result import FailureReason, Phase
from tests.probes.support import CONTEXT, detail, probe, reason, target
from tests.support.forward_proxy import forward_proxy
from tests.support.lighttpd import lighttpd
from tests.support.misbehaving import OK, Misbehaving, Peer
from tests.support.nginx import Nginx
from tests.support.process import program
from tests.support.token_server import CLIENT, SECRET, TokenServer, token_server
from tests.support.wait import free_port

PASSWORD = "s3cret-pass:word of a user"
LOCATIONS = """
    location /basic { auth_basic "closed"; auth_basic_user_file %(folder)s/users; return 204; }
    location = /bearer { if ($http_authorization != "Bearer %(token)s") { return 401; } return 204; }
    location = /moved-to-basic { return 302 /basic; }
"""


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    """`return` comes before authentication in nginx: what is guarded is a file."""
    folder = tmp_path_factory.mktemp("guarded")
    (folder / "www").mkdir()
    (folder / "www" / "basic").write_text("ok: only for those who may\n")
    hashed = subprocess.run(
        [program("openssl"), "passwd", "-apr1", PASSWORD], capture_output=True, text=True, check=True
    ).stdout
    (folder / "users").write_text(f"prober:{hashed}")
    locations = (LOCATIONS % {"folder": folder, "token": SECRET.partition(" ")[0]}).replace(
        f"{folder}/users; return 204;", f"{folder}/users; root {folder}/www;"
    )
    with Nginx(folder, locations=locations) as server:
        yield server


@pytest.fixture
async def tokens() -> AsyncIterator[TokenServer]:
    async with token_server() as server:
        yield server


def basic(password: str = PASSWORD) -> dict[str, Any]:
    return {"basic": {"user": "prober", "password": password}}


def oauth2(server: TokenServer, **more: Any) -> dict[str, Any]:
    return {"oauth2": {"token_url": server.token_url, "client_id": CLIENT, "client_secret": SECRET, **more}}


@pytest.mark.parametrize("path", ["/basic", "/moved-to-basic"])
async def test_basic(guarded: Nginx, path: str) -> None:
    assert (await probe(guarded.http_url + path, auth=basic())).ok
    wrong = await probe(guarded.http_url + path, auth=basic("s3cret-but-wrong"))
    assert reason(wrong) is FailureReason.STATUS
    assert "401" in detail(wrong)
    assert reason(await probe(guarded.http_url + path)) is FailureReason.STATUS


async def test_bearer(guarded: Nginx) -> None:
    token = SECRET.partition(" ")[0]
    assert (await probe(guarded.http_url + "/bearer", auth={"bearer": {"token": token}})).ok
    assert (
        reason(await probe(guarded.http_url + "/bearer", auth={"bearer": {"token": "other"}})) is FailureReason.STATUS
    )


async def test_digest_asks_twice_once_and_counts_only_the_time_of_what_was_answered(tmp_path: Path) -> None:
    with lighttpd(tmp_path, "prober", PASSWORD) as url:
        asked = target(url, auth={"digest": {"user": "prober", "password": PASSWORD}})
        first, second = await http_probe(asked, CONTEXT), await http_probe(asked, CONTEXT)
        wrong = await probe(url, auth={"digest": {"user": "prober", "password": "s3cret-but-wrong"}})
    for result in (first, second):
        assert result.failure is None
        assert sum(seconds for _, seconds in result.phases) <= result.duration_seconds
    # Each of the wrong password's requests is refused.
    assert (tmp_path / "access.log").read_text().split() == ["401", "200", "200", "401", "401"]
    assert reason(wrong) is FailureReason.STATUS
    assert "401" in detail(wrong)


async def test_a_user_s_own_flow_of_httpx_goes_over_the_transport(tmp_path: Path) -> None:
    exchange = Exchange()
    with lighttpd(tmp_path, "prober", PASSWORD) as url:
        async with httpx.AsyncClient(transport=ProbeTransport()) as client:
            auth = httpx.DigestAuth("prober", PASSWORD)
            response = await client.get(url, auth=auth, extensions={"exchange": exchange})
    assert response.text.startswith("ok")
    assert Phase.TRANSFER in exchange.phases


@pytest.mark.parametrize(
    "challenge",
    [
        b"Digest realm",
        b'Digest realm="a"',
        b'Digest realm="a", nonce="b", algorithm=ROT13',
        b'Digest realm="a", nonce="b", qop="auth-int"',
        b'Digest realm="a", nonce="b", qop="nonsense"',
    ],
)
async def test_a_challenge_that_cannot_be_answered_is_told_and_not_kept(challenge: bytes) -> None:
    async def ask_for_it(peer: Peer) -> None:
        await peer.send(b"HTTP/1.1 401 Who\r\nContent-Length: 0\r\nWWW-Authenticate: %b\r\n\r\n" % challenge)

    with Misbehaving(ask_for_it) as server:
        asked = target(server.url, auth={"digest": {"user": "prober", "password": PASSWORD}})
        results = [await http_probe(asked, CONTEXT) for _ in range(2)]
        assert server.connections == 2, "the second probe asks anew"
    assert [reason(result) for result in results] == [FailureReason.AUTH] * 2
    assert PASSWORD not in repr(results)


async def test_the_body_of_a_refusal_is_not_unpacked_on_the_way() -> None:
    with Misbehaving("compressed_bomb") as server:
        result = await probe(server.url, auth={"digest": {"user": "prober", "password": PASSWORD}})
    assert result.ok
    assert result.http is not None
    assert result.http.unpacked_bytes == 1_048_576


@pytest.mark.parametrize("how", ["basic", "post"])
async def test_oauth2_gets_a_token_and_keeps_it(tokens: TokenServer, how: str) -> None:
    auth = oauth2(tokens, client_auth=how, scopes=["read", "status"], audience="api", parameters={"resource": "r"})
    for _ in range(3):
        assert (await probe(tokens.url + "/service", auth=auth, expect={"json": {"you": "token-number-1"}})).ok
    (form,) = tokens.forms
    assert {name: form[name] for name in ("grant_type", "scope", "audience", "resource")} == {
        "grant_type": "client_credentials",
        "scope": "read status",
        "audience": "api",
        "resource": "r",
    }
    assert ("client_secret" in form) is (how == "post")


async def test_targets_with_the_same_grant_share_one_token_that_is_fetched_once(tokens: TokenServer) -> None:
    tokens.gate.clear()
    probes = [
        asyncio.ensure_future(probe(tokens.url + "/service", name=f"t{n}", auth=oauth2(tokens))) for n in range(8)
    ]
    while not tokens.forms:  # the deadline of the probes bounds it
        await asyncio.sleep(0)
    tokens.gate.set()
    assert [result.failure for result in await asyncio.gather(*probes)] == [None] * 8
    assert len(tokens.forms) == 1


async def test_the_time_for_a_token_is_no_time_of_the_service(tokens: TokenServer) -> None:
    tokens.gate.clear()
    asyncio.get_running_loop().call_later(1.0, tokens.gate.set)
    began = time.monotonic()
    result = await probe(tokens.url + "/service", auth=oauth2(tokens))
    assert result.failure is None
    assert sum(seconds for _, seconds in result.phases) <= result.duration_seconds
    assert time.monotonic() - began > result.duration_seconds + 0.9


async def test_a_token_that_the_service_does_not_take_is_fetched_anew_once(tokens: TokenServer) -> None:
    asked = {"auth": oauth2(tokens), "expect": {"json": {"you": "token-number-2"}}}
    assert reason(await probe(tokens.url + "/service", **asked)) is FailureReason.JSON
    tokens.good.clear()
    again = await probe(tokens.url + "/service", **asked)
    assert again.failure is None
    assert tokens.service_asked == 3
    tokens.good.clear()
    refused = await probe(tokens.url + "/service", **asked)
    assert reason(refused) is FailureReason.STATUS, "not a token for each probe"
    assert len(tokens.forms) == 2


async def test_a_401_that_is_expected_is_an_answer(tokens: TokenServer) -> None:
    asked = {"auth": oauth2(tokens), "expect": {"status": [200, 401]}}
    assert (await probe(tokens.url + "/service", **asked)).ok
    tokens.good.clear()
    assert (await probe(tokens.url + "/service", **asked)).ok
    assert len(tokens.forms) == 1


async def test_a_client_that_is_not_known_is_told_without_its_secret(tokens: TokenServer) -> None:
    result = await probe(tokens.url + "/service", auth=oauth2(tokens, client_secret="s3cret-but-wrong"))
    assert reason(result) is FailureReason.AUTH
    assert detail(result) == f"no token from {tokens.url}: status 401, invalid_client"
    assert result.http is None
    assert tokens.service_asked == 0


async def test_a_token_server_that_is_gone_or_silent() -> None:
    settings = {"client_id": "c", "client_secret": "s3cret"}
    gone = await probe(
        "http://127.0.0.1/", auth={"oauth2": {"token_url": f"http://127.0.0.1:{free_port()}/", **settings}}
    )
    assert reason(gone) is FailureReason.AUTH
    assert "refused" in detail(gone)
    with Misbehaving("never_answers") as server:
        silent = await probe("http://127.0.0.1/", auth={"oauth2": {"token_url": server.url, **settings}}, timeout="1s")
    assert reason(silent) is FailureReason.AUTH
    assert "within 0.8 s" in detail(silent)


async def test_a_token_is_not_told_nor_taken_along_to_another_origin(tokens: TokenServer) -> None:
    told = await probe(tokens.url + "/service", auth=oauth2(tokens), expect={"json": {"you": "somebody"}})
    assert detail(told) == 'you is "***", expected "somebody"'

    async def answer(peer: Peer) -> None:
        await peer.send(OK + b"Content-Length: 2\r\n\r\nok")

    with Misbehaving(answer) as other:
        for auth in (oauth2(tokens), basic(), {"digest": {"user": "prober", "password": PASSWORD}}):
            assert (await probe(f"{tokens.url}/moved?to={other.url}", auth=auth)).ok
    assert len(other.requests) == 3
    assert not any(b"uthorization" in request for request in other.requests)


async def test_the_token_is_fetched_through_the_target_s_proxy_and_trusts_its_authorities(
    tokens: TokenServer, tmp_path: Path
) -> None:
    with forward_proxy(tmp_path, ca=(ca := trustme.CA())) as proxy:
        ca.cert_pem.write_to_path(tmp_path / "ca.pem")
        result = await probe(
            tokens.url + "/service", auth=oauth2(tokens), proxy=proxy.url, tls={"ca_file": tmp_path / "ca.pem"}
        )
        assert result.failure is None
        assert "/token" in proxy.log()
