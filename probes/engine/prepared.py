"""What is sent for a target: prepared once, and again for each redirect."""

from __future__ import annotations

from dataclasses import dataclass

import httpx

from probes.engine.auth import Digest, OAuth2, authorization, flow_of
from probes.engine.exchange import Exchange
from probes.engine.failures import Unanswered
from probes.engine.proxy import proxy_of
from probes.engine.request import BASE_HEADERS, origin, shown
from probes.engine.response import Answer
from probes.engine.wire import Wire, wire_of
from probes.options import TlsOptions
from probes.result import FailureReason
from probes.target import Target

REDIRECTS = {301, 302, 303, 307, 308}
KEEP_METHOD = {307, 308}


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """The first request of a probe of `target`: all that is the same at each probe is made once. What only redirects,
    flows and those who watch need is made when they do: there are thousands of these."""

    target: Target
    wire: Wire
    flow: Digest | OAuth2 | None  # what asks for more than one request
    elsewhere_tls: TlsOptions  # for an origin that is not the target's: without its client certificate

    @property
    def url(self) -> httpx.URL:
        return httpx.URL(self.target.url)

    @property
    def content(self) -> bytes:
        return _content(self.target)

    @property
    def token(self) -> str:
        """That which was last sent, where tokens are had for it; else empty."""
        return self.flow.token if isinstance(self.flow, OAuth2) else ""

    def request(self, exchange: Exchange, deadline: float) -> httpx.Request:
        """The same for httpx."""
        return _request(self.target, {"exchange": exchange, "deadline": deadline, "proxy": self.wire.proxy})


def prepare(target: Target) -> Prepared:
    """Raises Unanswered with the reason `internal` when the target's address cannot be asked."""
    proxy = proxy_of(target.proxy.get_secret_value()) if target.proxy is not None else None
    try:
        request = _request(target, {"proxy": proxy})
    except httpx.InvalidURL as error:
        raise Unanswered(FailureReason.INTERNAL, f"the address cannot be used: {error}") from None
    return Prepared(
        target=target,
        wire=wire_of(request, _content(target)),
        flow=flow_of(target.auth, target.tls, proxy, target.expect.status),
        elsewhere_tls=_without_certificate(target.tls),
    )


def _content(target: Target) -> bytes:
    return (target.body or "").encode("utf-8", "replace")


def _request(target: Target, extensions: dict[str, object]) -> httpx.Request:
    """httpx adds Host and Content-Length. Raises httpx.InvalidURL."""
    content = _content(target) or None
    return httpx.Request(target.method, target.url, headers=_headers(target), content=content, extensions=extensions)


def _without_certificate(tls: TlsOptions) -> TlsOptions:
    return tls.model_copy(update={"client_cert": None, "client_key": None}) if tls.client_cert else tls


def _headers(target: Target) -> dict[bytes, bytes]:
    own = {name.encode(): value.get_secret_value().encode("utf-8", "replace") for name, value in target.headers.items()}
    if (value := authorization(target.auth)) is not None:
        own[b"Authorization"] = value
    left_out = {name.lower() for name in own} | ({b"connection"} if target.reuse else set())
    return {name: value for name, value in BASE_HEADERS.items() if name.lower() not in left_out} | own


def _can_be_asked(url: httpx.URL) -> bool:
    """httpx takes any number for a port. Raises UnicodeError for a host that cannot be read."""
    port = 1 if url.port is None else url.port
    return url.scheme in ("http", "https") and url.host != "" and 0 < port < 65536


def redirected(prepared: Prepared, last: httpx.Request, answer: Answer) -> httpx.Request:
    """The request that a 3xx answer to `last` asks for. The target's own headers go only to the target's own origin.

    Raises Unanswered with the reason `redirect` when there is nowhere to go.
    """
    location = httpx.Headers(answer.headers).get("location", "")
    try:
        url = last.url.join(location)
        followed = location != "" and _can_be_asked(url)
    except (httpx.InvalidURL, UnicodeError):
        raise Unanswered(
            FailureReason.REDIRECT, f"status {answer.status_code} to an address that is not valid"
        ) from None
    if not followed:
        raise Unanswered(
            FailureReason.REDIRECT,
            f"status {answer.status_code} to {shown(url) if location else 'nowhere'}: cannot be followed",
        )
    code, method = answer.status_code, last.method
    if code not in KEEP_METHOD and method != "HEAD" and (code == 303 or method == "POST"):
        method = "GET"
    content = prepared.content if method == prepared.target.method else b""
    own = _headers(prepared.target) if origin(url) == origin(prepared.url) else BASE_HEADERS
    headers = {name: value for name, value in own.items() if content or not name.lower().startswith(b"content-")}
    return httpx.Request(method, url, headers=headers, content=content or None, extensions=last.extensions)
