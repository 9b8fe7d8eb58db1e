"""A real OAuth 2.0 token server, and a service that takes its tokens: one Starlette application under uvicorn."""

from __future__ import annotations

import asyncio
import itertools
from base64 import b64decode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import parse_qsl, unquote_plus

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from monitor.http_server import address_of, bind, serve

CLIENT, SECRET = "monitor:client", "s3cret of a client/+"


class TokenServer:
    """Counts what it is asked for. `good` are the tokens that the service takes; clear it to revoke them all."""

    def __init__(self) -> None:
        self.url = ""
        self.forms: list[dict[str, str]] = []
        self.good: set[str] = set()
        self.expires_in: object = 3600
        self.answer: Response | None = None  # instead of a token
        self.gate = asyncio.Event()  # tokens are given while it is set
        self.gate.set()
        self.service_asked = 0
        self._numbers = itertools.count(1)

    @property
    def token_url(self) -> str:
        return f"{self.url}/token"

    async def token(self, request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode(), strict_parsing=True))
        self.forms.append(form)
        await self.gate.wait()
        if self.answer is not None:
            return self.answer
        if form.get("grant_type") != "client_credentials":
            return JSONResponse({"error": "unsupported_grant_type"}, 400)
        if _client(request, form) != (CLIENT, SECRET):
            return JSONResponse({"error": "invalid_client", "error_description": f"not {SECRET}"}, 401)
        token = f"token-number-{next(self._numbers)}"
        self.good.add(token)
        return JSONResponse({"access_token": token, "token_type": "Bearer", "expires_in": self.expires_in})

    async def service(self, request: Request) -> Response:
        self.service_asked += 1
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or token not in self.good:
            return PlainTextResponse(f"not {token}", 401)
        return JSONResponse({"you": token})

    async def moved(self, request: Request) -> Response:
        return RedirectResponse(request.query_params["to"])


def _client(request: Request, form: dict[str, str]) -> tuple[str, str]:
    scheme, _, pair = request.headers.get("authorization", "").partition(" ")
    if scheme != "Basic":
        return form.get("client_id", ""), form.get("client_secret", "")
    user, _, password = b64decode(pair).decode().partition(":")
    return unquote_plus(user), unquote_plus(password)  # RFC 6749 2.3.1


@asynccontextmanager
async def token_server() -> AsyncIterator[TokenServer]:
    server = TokenServer()
    routes = [
        Route("/token", server.token, methods=["POST"]),
        Route("/service", server.service),
        Route("/moved", server.moved),
    ]
    listener = bind("127.0.0.1", 0)
    server.url = address_of(listener)
    async with serve(Starlette(routes=routes), listener):
        yield server
        server.gate.set()
