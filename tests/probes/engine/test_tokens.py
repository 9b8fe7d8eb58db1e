"""How long a token is kept, and when another one is fetched: the clock is the test's, the server a real one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from starlette.responses import JSONResponse, PlainTextResponse, Response

from probes.engine import tokens as engine
from probes.engine.failures import Unanswered
from probes.engine.tokens import Grant, Tokens
from probes.options import TlsOptions
from probes.result import FailureReason
from tests.probes.support import eventually
from tests.support.misbehaving import BEHAVIOURS, Misbehaving
from tests.support.token_server import CLIENT, SECRET, TokenServer, token_server

WAIT_SECONDS = 30.0


@pytest.fixture
async def server() -> AsyncIterator[TokenServer]:
    async with token_server() as running:
        yield running


class Hand:
    """A clock that is turned by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def grant(url: str) -> Grant:
    return Grant(
        token_url=url,
        client_id=CLIENT,
        client_secret=SECRET,
        scopes=(),
        audience=None,
        parameters=(),
        client_auth="basic",
        tls=TlsOptions(),
        proxy=None,
    )


async def refusal(tokens: Tokens, asked: Grant, wait_seconds: float = WAIT_SECONDS) -> str:
    with pytest.raises(Unanswered) as raised:
        await tokens.token(asked, wait_seconds)
    assert raised.value.failure.reason is FailureReason.AUTH
    assert SECRET not in repr(raised.value.failure)
    return raised.value.failure.detail


async def test_it_is_kept_renewed_ahead_while_it_serves_and_given_up_before_its_end(server: TokenServer) -> None:
    clock = Hand()
    tokens, asked = Tokens(clock), grant(server.token_url)
    server.expires_in = 1000
    assert await tokens.token(asked, WAIT_SECONDS) == "token-number-1"
    clock.now += 700
    assert await tokens.token(asked, WAIT_SECONDS) == "token-number-1"
    clock.now += 60
    assert await tokens.token(asked, 0) == "token-number-1", "nobody waits for the next one"
    await eventually(lambda: len(server.good) == 2, "the next token")

    async def next_one() -> bool:
        return await tokens.token(asked, 0) == "token-number-2"

    while not await next_one():
        await asyncio.sleep(0)
    clock.now += 901
    assert await tokens.token(asked, WAIT_SECONDS) == "token-number-3"


async def test_a_failure_to_renew_leaves_the_old_token_until_its_end(server: TokenServer) -> None:
    clock = Hand()
    tokens, asked = Tokens(clock), grant(server.token_url)
    server.expires_in = 1000
    await tokens.token(asked, WAIT_SECONDS)
    server.answer = PlainTextResponse("down", 503)
    clock.now += 800
    assert await tokens.token(asked, 0) == "token-number-1"
    await eventually(lambda: len(server.forms) == 2, "the renewal")
    clock.now += 99
    assert await tokens.token(asked, 0) == "token-number-1"
    clock.now += 2
    assert "status 503" in await refusal(tokens, asked)


async def test_a_failure_is_told_again_for_a_while_before_the_server_is_asked_again(server: TokenServer) -> None:
    clock = Hand()
    tokens, asked = Tokens(clock), grant(server.token_url)
    server.answer = PlainTextResponse("down", 503)
    assert await refusal(tokens, asked) == await refusal(tokens, asked)
    assert len(server.forms) == 1
    server.answer = None
    clock.now += engine.FAILED_SECONDS
    assert await tokens.token(asked, WAIT_SECONDS) == "token-number-1"


async def test_who_waits_too_long_gives_up_and_the_others_get_the_token(server: TokenServer) -> None:
    tokens, asked = Tokens(), grant(server.token_url)
    server.gate.clear()
    patient = asyncio.ensure_future(tokens.token(asked, WAIT_SECONDS))
    assert "within 0.1 s" in await refusal(tokens, asked, 0.1)
    cancelled = asyncio.ensure_future(tokens.token(asked, WAIT_SECONDS))
    await asyncio.sleep(0)
    cancelled.cancel()
    server.gate.set()
    assert await patient == "token-number-1"
    assert len(server.forms) == 1


async def test_a_refused_token_is_replaced_once_for_all_who_had_it_and_not_all_the_time(server: TokenServer) -> None:
    clock = Hand()
    tokens, asked = Tokens(clock), grant(server.token_url)
    first = await tokens.token(asked, WAIT_SECONDS)
    others = [tokens.another(asked, first, WAIT_SECONDS) for _ in range(3)]
    assert await asyncio.gather(*others) == ["token-number-2"] * 3
    assert await tokens.another(asked, "token-number-2", WAIT_SECONDS) is None
    clock.now += engine.RENEW_SECONDS
    assert await tokens.another(asked, "token-number-2", WAIT_SECONDS) == "token-number-3"


async def test_other_grants_have_other_tokens_and_the_number_of_them_is_bounded(
    server: TokenServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "MAX_GRANTS", 2)
    tokens, asked = Tokens(), grant(server.token_url)
    grants = [asked, replace(asked, scopes=("a",)), replace(asked, audience="b")]
    got = [await tokens.token(each, WAIT_SECONDS) for each in grants]
    assert len(set(got)) == 3
    assert await tokens.token(asked, WAIT_SECONDS) not in got
    assert SECRET not in repr(asked)


@pytest.mark.parametrize(
    ("expires_in", "seconds"),
    [
        (60, 60),
        ("60", 60),
        (10**9, engine.LONGEST_SECONDS),
        ("Infinity", engine.LONGEST_SECONDS),
        (10**400, engine.USUAL_SECONDS),
        (-5, 0),
        ("NaN", engine.USUAL_SECONDS),
        (None, engine.USUAL_SECONDS),
        ([], engine.USUAL_SECONDS),
    ],
)
async def test_its_life_is_bounded_whatever_its_server_says(
    server: TokenServer, expires_in: object, seconds: float
) -> None:
    clock = Hand()
    tokens, asked = Tokens(clock), grant(server.token_url)
    server.answer = JSONResponse({"access_token": "abc", "token_type": "bearer", "expires_in": expires_in})
    assert await tokens.token(asked, WAIT_SECONDS) == "abc"
    clock.now += engine.USED_SHARE * seconds - 0.001
    assert await tokens.token(asked, WAIT_SECONDS) == "abc"
    before = len(server.forms)
    clock.now += engine.LONGEST_SECONDS
    await tokens.token(asked, WAIT_SECONDS)
    assert len(server.forms) > before


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (JSONResponse({"error": "invalid_scope"}, 400), "status 400, invalid_scope"),
        (JSONResponse({"error": f"<{SECRET}>"}, 400), "status 400"),
        (JSONResponse(["error"], 400), "status 400"),
        (Response(b"\xff", 200), "its answer has none"),
        (Response(b"[" * 60_000, 200), "its answer has none"),
        (JSONResponse({"access_token": ""}), "its answer has none"),
        (JSONResponse({"access_token": "a\r\nX: y"}), "its answer has none"),
        (JSONResponse({"access_token": 1}), "its answer has none"),
        (JSONResponse({"access_token": "x" * 20_000}), "its answer has none"),
        (JSONResponse({"access_token": "a", "token_type": "mac"}), "it is not of the type bearer"),
        (Response(status_code=302, headers={"Location": "/elsewhere"}), "status 302"),
    ],
)
async def test_what_is_no_token_is_told_without_what_was_sent(server: TokenServer, answer: Response, said: str) -> None:
    server.answer = answer
    assert (await refusal(Tokens(), grant(server.token_url))).endswith(f": {said}")
    assert len(server.forms) == 1


@pytest.mark.parametrize(
    "behaviour", sorted(name for name in BEHAVIOURS if not name.startswith(("never", "drip", "hang")))
)
async def test_a_server_that_misbehaves_gives_no_token_and_does_no_harm(behaviour: str) -> None:
    with Misbehaving(behaviour) as server:
        assert server.url.rstrip("/") in await refusal(Tokens(), grant(server.url))
