"""Requests that are part of a flow (redirects with cookies, challenges, tokens): through an httpx.AsyncClient over the
probes' own transport."""

from __future__ import annotations

from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx

from probes.engine.failures import Unanswered
from probes.engine.response import Answer
from probes.engine.transport import ProbeTransport, ProbeTransportError

_BYTE_FOR_BYTE = "latin-1"
_PLAIN = httpx.Auth()  # None would have httpx look for a user in the address, which a server may have given


class _Heads(httpx.AsyncBaseTransport):
    """Answers without their bodies: httpx would unpack them, in memory without a bound. The probe has the whole in
    `extensions["answer"]`."""

    def __init__(self) -> None:
        self._transport = ProbeTransport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self._transport.handle_async_request(request)
        headers = [each for each in response.headers.raw if each[0].lower() != b"content-encoding"]
        return httpx.Response(response.status_code, headers=headers, extensions=response.extensions, request=request)


# A jar that takes nothing: cookies belong to one probe, not to the client that all of them share.
_client = httpx.AsyncClient(
    transport=_Heads(), cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])), trust_env=False
)


async def ask_in_flow(request: httpx.Request, auth: httpx.Auth | None) -> Answer:
    """Raises Unanswered."""
    try:
        response = await _client.send(request, auth=auth or _PLAIN, follow_redirects=False)
    except ProbeTransportError as error:
        raise Unanswered(error.failure.reason, error.failure.detail) from None
    answer: Answer = response.extensions["answer"]
    return answer


class Cookies:
    """Those that are set along one chain of redirects, byte for byte as they came."""

    def __init__(self) -> None:
        self._jar = httpx.Cookies()

    def take(self, request: httpx.Request, answer: Answer) -> None:
        response = httpx.Response(answer.status_code, request=request)
        response.headers = httpx.Headers(answer.headers, encoding=_BYTE_FOR_BYTE)
        self._jar.extract_cookies(response)

    def put(self, request: httpx.Request) -> None:
        """What was set for this address, after the target's own cookies if the request has some."""
        blank = httpx.Request(request.method, request.url)
        blank.headers.encoding = _BYTE_FOR_BYTE
        self._jar.set_cookie_header(blank)
        if (taken := blank.headers.get("Cookie")) is not None:
            own = [value for name, value in request.headers.raw if name.lower() == b"cookie"]
            rest = [pair for pair in request.headers.raw if pair[0].lower() != b"cookie"]
            cookies = b"; ".join([*own, taken.encode(_BYTE_FOR_BYTE)])
            request.headers = httpx.Headers([*rest, (b"Cookie", cookies)])
