"""A target's `auth`, as a header that is always the same, or as a flow of httpx that may ask twice."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Generator, Iterator
from functools import partial

import httpx

from probes.credentials import Auth, OAuth2Credentials, UserPassword
from probes.engine.exchange import Exchange
from probes.engine.failures import Unanswered
from probes.engine.proxy import basic
from probes.engine.tokens import Grant, Tokens
from probes.engine.wire import Proxy
from probes.options import TlsOptions
from probes.result import FailureReason

# Of the time that a probe has left, what it may wait for a token: with the rest the service is asked.
TOKEN_SHARE = 0.8
UNAUTHORIZED = 401
_tokens = Tokens()


def authorization(auth: Auth | None) -> bytes | None:
    """The value of an Authorization header that each request has; None when there is none, or it takes a flow."""
    if auth is not None and auth.basic is not None:
        return basic(auth.basic.user.get_secret_value(), auth.basic.password.get_secret_value())
    if auth is not None and auth.bearer is not None:
        return b"Bearer " + auth.bearer.token.get_secret_value().encode("utf-8", "replace")
    return None


def flow_of(auth: Auth | None, tls: TlsOptions, proxy: Proxy | None, good: tuple[int, ...]) -> Digest | OAuth2 | None:
    """The flow that `auth` takes, if it takes one. Where a status 401 is among the `good`, no other is asked for."""
    if auth is not None and auth.digest is not None:
        return Digest(auth.digest)
    if auth is not None and auth.oauth2 is not None:
        return OAuth2(auth.oauth2, tls, proxy, again=UNAUTHORIZED not in good)
    return None


def secrets_of(auth: Auth | None) -> Iterator[str]:
    """What a service may send back of it."""
    for section in (auth.basic, auth.digest) if auth is not None else ():
        if section is not None:
            yield section.password.get_secret_value()
    if auth is not None and auth.oauth2 is not None:
        yield auth.oauth2.client_secret.get_secret_value()
    if (header := authorization(auth)) is not None:
        yield header.decode()
        yield header.decode().partition(" ")[2]


class Digest(httpx.Auth):
    """httpx's own, kept from probe to probe: only the first one, and one whose challenge has become stale, asks twice.
    What was asked in vain is set aside."""

    def __init__(self, credentials: UserPassword) -> None:
        user, password = credentials.user.get_secret_value(), credentials.password.get_secret_value()
        self._new = partial(httpx.DigestAuth, user, password)
        self._auth = self._new()

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        exchange: Exchange = request.extensions["exchange"]
        try:
            flow = self._auth.auth_flow(request)
            asked = next(flow)
            while True:
                since, phases = time.monotonic(), dict(exchange.phases)
                response = yield asked
                try:
                    asked = flow.send(response)
                except StopIteration:
                    return
                exchange.set_aside(since, phases)
                exchange.note("asked for credentials", "digest")
        except (httpx.ProtocolError, NotImplementedError, LookupError, ValueError) as error:
            self._auth = self._new()  # it has kept the challenge that it cannot answer
            detail = f"the service's digest challenge cannot be answered ({type(error).__name__})"
            raise Unanswered(FailureReason.AUTH, detail) from None


class OAuth2(httpx.Auth):
    """A bearer token, and another one when the service does not take it."""

    def __init__(self, credentials: OAuth2Credentials, tls: TlsOptions, proxy: Proxy | None, *, again: bool) -> None:
        parameters = {name: value.get_secret_value() for name, value in credentials.parameters.items()}
        self._grant = Grant(
            token_url=credentials.token_url,
            client_id=credentials.client_id.get_secret_value(),
            client_secret=credentials.client_secret.get_secret_value(),
            scopes=credentials.scopes,
            audience=credentials.audience,
            parameters=tuple(sorted(parameters.items())),
            client_auth=credentials.client_auth,
            tls=TlsOptions(ca_file=tls.ca_file, verify=tls.verify),
            proxy=proxy,
        )
        self._again = again
        self.token = ""  # that which was last sent

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        exchange: Exchange = request.extensions["exchange"]
        since, phases = time.monotonic(), dict(exchange.phases)
        self.token = await _tokens.token(self._grant, self._share(request))
        exchange.set_aside(since, phases)
        exchange.note("had a token")
        since, phases = time.monotonic(), dict(exchange.phases)
        response = yield self._with_token(request)
        if response.status_code != UNAUTHORIZED or not self._again:
            return
        another = await _tokens.another(self._grant, self.token, self._share(request))
        if another is None:
            return
        exchange.set_aside(since, phases)
        exchange.note("had another token", "the service did not take the first")
        self.token = another
        yield self._with_token(request)

    def _with_token(self, request: httpx.Request) -> httpx.Request:
        request.headers["Authorization"] = f"Bearer {self.token}"
        return request

    def _share(self, request: httpx.Request) -> float:
        deadline: float = request.extensions["deadline"]
        return TOKEN_SHARE * (deadline - time.monotonic())
