"""OAuth 2.0 access tokens by the client credentials grant (RFC 6749 4.4), kept and shared within a worker process.

What a token costs is no latency of the service: it is fetched with an Exchange of its own, ahead of its end while the
old one still serves, and the time for which a probe has to wait for one is set aside.
"""

from __future__ import annotations

import asyncio
import json
import math
import re
import time
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import quote_plus, urlencode

import httpx

from probes.engine.exchange import Exchange
from probes.engine.failures import Unanswered, failure
from probes.engine.request import BASE_HEADERS, shown
from probes.engine.response import Answer
from probes.engine.transport import fetch
from probes.engine.unpack import unpacked
from probes.engine.wire import Proxy, wire_of
from probes.options import TlsOptions
from probes.result import Failure, FailureReason

MAX_GRANTS = 4096
MAX_ANSWER_BYTES = 65536
FETCH_SECONDS = 10.0
LONGEST_SECONDS = 3600.0  # for which a token is kept, whatever its server says
USUAL_SECONDS = 300.0  # when its server does not say
AHEAD_SHARE = 0.75  # of its life: from then on a new one is fetched
USED_SHARE = 0.9  # of its life: until then it is used
FAILED_SECONDS = 5.0  # for which a failure is told again before the server is asked again
RENEW_SECONDS = 60.0  # between two tokens of which the service said that they are not good
_ERROR = re.compile(r"[a-z_]{1,60}")  # those of RFC 6749 5.2; anything else could hold anything
_TOKEN = re.compile(r"[\x21-\x7e]{1,16384}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a token is asked for with. Targets whose grants are equal share one."""

    token_url: str
    client_id: str
    client_secret: str = field(repr=False)
    scopes: tuple[str, ...]
    audience: str | None
    parameters: tuple[tuple[str, str], ...] = field(repr=False)
    client_auth: Literal["basic", "post"]
    tls: TlsOptions
    proxy: Proxy | None


@dataclass(slots=True)
class _Entry:
    token: str | None = None
    ahead_at: float = 0.0
    good_until: float = 0.0
    fetching: asyncio.Task[str | Failure] | None = None
    failure: Failure | None = None
    failed_until: float = 0.0
    renewed_at: float = field(default=-RENEW_SECONDS)


class Tokens:
    """The tokens of one process, at most `MAX_GRANTS`."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._entries: dict[Grant, _Entry] = {}

    async def token(self, grant: Grant, wait_seconds: float) -> str:
        """Raises Unanswered with the reason `auth`."""
        entry, now = self._entry(grant), self._clock()
        if entry.token is None or now >= entry.good_until:
            return await self._fetched(grant, entry, wait_seconds)
        if now >= entry.ahead_at:
            self._fetch(grant, entry)
        return entry.token

    async def another(self, grant: Grant, refused: str, wait_seconds: float) -> str | None:
        """A token instead of one that the service did not take; None when one was fetched for that reason a short while
        ago. Raises Unanswered with the reason `auth`."""
        entry, now = self._entry(grant), self._clock()
        if entry.token == refused:
            if now < entry.renewed_at + RENEW_SECONDS:
                return None
            entry.renewed_at = now
            entry.token = None
        return entry.token or await self._fetched(grant, entry, wait_seconds)

    def _entry(self, grant: Grant) -> _Entry:
        entry = self._entries.get(grant)
        if entry is None:
            if len(self._entries) >= MAX_GRANTS:
                self._entries.clear()
            entry = self._entries[grant] = _Entry()
        return entry

    async def _fetched(self, grant: Grant, entry: _Entry, wait_seconds: float) -> str:
        """Probes that want the same token at the same time wait for one request."""
        if entry.failure is not None and self._clock() < entry.failed_until:
            raise Unanswered(entry.failure.reason, entry.failure.detail)
        task = self._fetch(grant, entry)
        done, _ = await asyncio.wait({task}, timeout=max(0.0, wait_seconds))
        if not done:
            raise Unanswered(FailureReason.AUTH, f"no token from {_shown(grant)} within {wait_seconds:.2g} s")
        token = task.result()
        if isinstance(token, Failure):
            raise Unanswered(token.reason, token.detail)
        return token

    def _fetch(self, grant: Grant, entry: _Entry) -> asyncio.Task[str | Failure]:
        loop = asyncio.get_running_loop()
        if entry.fetching is None or entry.fetching.done() or entry.fetching.get_loop() is not loop:
            entry.fetching = loop.create_task(self._renew(grant, entry))
        return entry.fetching

    async def _renew(self, grant: Grant, entry: _Entry) -> str | Failure:
        try:
            async with asyncio.timeout(FETCH_SECONDS):
                token, life_seconds = await _ask(grant)
        except TimeoutError:
            entry.failure = failure(FailureReason.AUTH, f"no token from {_shown(grant)} within {FETCH_SECONDS:g} s")
        except Unanswered as unanswered:
            entry.failure = unanswered.failure
        else:
            now = self._clock()
            entry.token, entry.failure = token, None
            entry.ahead_at, entry.good_until = now + AHEAD_SHARE * life_seconds, now + USED_SHARE * life_seconds
            return token
        # A token that is still good serves on; a new one is tried for again after a while.
        entry.failed_until = entry.ahead_at = self._clock() + FAILED_SECONDS
        return entry.failure


async def _ask(grant: Grant) -> tuple[str, float]:
    """(token, for how many seconds it may be kept). Raises Unanswered."""
    exchange = Exchange(tls=grant.tls, max_body_bytes=MAX_ANSWER_BYTES)
    form = [("grant_type", "client_credentials"), *grant.parameters]
    form += [("scope", " ".join(grant.scopes))] if grant.scopes else []
    form += [("audience", grant.audience)] if grant.audience is not None else []
    headers = BASE_HEADERS | {b"Accept": b"application/json", b"Content-Type": b"application/x-www-form-urlencoded"}
    if grant.client_auth == "post":
        form += [("client_id", grant.client_id), ("client_secret", grant.client_secret)]
    else:  # encoded as in a form first: RFC 6749 2.3.1
        pair = f"{quote_plus(grant.client_id)}:{quote_plus(grant.client_secret)}"
        headers[b"Authorization"] = b"Basic " + b64encode(pair.encode())
    content = urlencode(form, errors="replace").encode("ascii")
    try:
        request = httpx.Request(
            "POST", grant.token_url, headers=headers, content=content, extensions={"proxy": grant.proxy}
        )
        answer = await fetch(wire_of(request, content), exchange, time.monotonic() + FETCH_SECONDS)
    except httpx.InvalidURL as error:
        raise Unanswered(FailureReason.INTERNAL, f"auth.oauth2.token_url cannot be used: {error}") from None
    except Unanswered as unanswered:
        raise Unanswered(FailureReason.AUTH, f"no token from {_shown(grant)}: {unanswered.failure.detail}") from None
    return _read(grant, unpacked(answer, MAX_ANSWER_BYTES))


def _read(grant: Grant, answer: Answer) -> tuple[str, float]:
    try:
        said: Any = json.loads(answer.body)
    except (ValueError, RecursionError):
        said = None
    said = said if isinstance(said, dict) else {}
    if answer.status_code != 200:
        error = said.get("error")
        why = f", {error}" if isinstance(error, str) and _ERROR.fullmatch(error) else ""
        raise Unanswered(FailureReason.AUTH, f"no token from {_shown(grant)}: status {answer.status_code}{why}")
    token, kind = said.get("access_token"), said.get("token_type", "bearer")
    if not isinstance(token, str) or not _TOKEN.fullmatch(token):
        raise Unanswered(FailureReason.AUTH, f"no token from {_shown(grant)}: its answer has none")
    if not isinstance(kind, str) or kind.lower() != "bearer":
        raise Unanswered(FailureReason.AUTH, f"no token from {_shown(grant)}: it is not of the type bearer")
    return token, _life_seconds(said.get("expires_in"))


def _life_seconds(expires_in: Any) -> float:
    """Some servers send the number as text."""
    try:
        seconds = float(expires_in)
    except (TypeError, ValueError, OverflowError):
        return USUAL_SECONDS
    return USUAL_SECONDS if math.isnan(seconds) else min(max(0.0, seconds), LONGEST_SECONDS)


def _shown(grant: Grant) -> str:
    return shown(httpx.URL(grant.token_url))
