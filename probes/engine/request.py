"""What is sent for a target: prepared once, and again for each redirect."""

from __future__ import annotations

from dataclasses import dataclass

import httpx

from probes.engine.failures import Unanswered
from probes.engine.wire import Wire, wire_of
from probes.result import FailureReason
from probes.target import Target

BASE_HEADERS = {
    b"User-Agent": b"monitor-oncall",
    b"Accept": b"*/*",
    b"Accept-Encoding": b"identity",  # a compressed answer would have to be unpacked, and could be a bomb
    b"Connection": b"close",
}
REDIRECTS = {301, 302, 303, 307, 308}
KEEP_METHOD = {307, 308}


@dataclass(frozen=True, slots=True)
class Prepared:
    """The first request of a probe of `target`, without what belongs to one probe alone."""

    target: Target
    url: httpx.URL
    headers: httpx.Headers
    content: bytes
    wire: Wire

    def request(self, extensions: dict[str, object]) -> httpx.Request:
        return httpx.Request(
            self.target.method, self.url, headers=self.headers, content=self.content or None, extensions=extensions
        )


def prepare(target: Target) -> Prepared:
    """Raises Unanswered with the reason `internal` when the target's address cannot be asked."""
    try:
        url = httpx.URL(target.url)
    except httpx.InvalidURL as error:
        raise Unanswered(FailureReason.INTERNAL, f"the address cannot be used: {error}") from None
    content = (target.body or "").encode("utf-8", "replace")
    headers = httpx.Headers(_headers(target))
    # httpx adds Host and Content-Length; taken from it once, and not at each probe.
    request = httpx.Request(target.method, url, headers=headers, content=content or None)
    return Prepared(target, url, request.headers, content, wire_of(request, content))


def _headers(target: Target) -> dict[bytes, bytes]:
    own = {name.encode(): value.get_secret_value().encode("utf-8", "replace") for name, value in target.headers.items()}
    left_out = {name.lower() for name in own} | ({b"connection"} if target.reuse else set())
    return {name: value for name, value in BASE_HEADERS.items() if name.lower() not in left_out} | own


def origin(url: httpx.URL) -> tuple[str, bytes, int | None]:
    """Scheme, host and port: httpx drops a port that is the scheme's own."""
    return url.scheme, url.raw_host, url.port


def shown(url: httpx.URL) -> str:
    """For people: scheme, host and port. In all the rest secrets may stand, more so when a server gave the address."""
    return f"{url.scheme}://{url.netloc.decode('ascii', 'replace')}"


def _can_be_asked(url: httpx.URL) -> bool:
    """httpx takes any number for a port. Raises UnicodeError for a host that cannot be read."""
    port = 1 if url.port is None else url.port
    return url.scheme in ("http", "https") and url.host != "" and 0 < port < 65536


def redirected(prepared: Prepared, last: httpx.Request, response: httpx.Response) -> httpx.Request:
    """The request that a 3xx answer asks for. The target's own headers go only to the target's own origin.

    Raises Unanswered with the reason `redirect` when there is nowhere to go.
    """
    location = response.headers.get("location", "")
    try:
        url = last.url.join(location)
        followed = location != "" and _can_be_asked(url)
    except (httpx.InvalidURL, UnicodeError):
        raise Unanswered(
            FailureReason.REDIRECT, f"status {response.status_code} to an address that is not valid"
        ) from None
    if not followed:
        raise Unanswered(
            FailureReason.REDIRECT,
            f"status {response.status_code} to {shown(url) if location else 'nowhere'}: cannot be followed",
        )
    code, method = response.status_code, last.method
    if code not in KEEP_METHOD and method != "HEAD" and (code == 303 or method == "POST"):
        method = "GET"
    content = prepared.content if method == prepared.target.method else b""
    own = _headers(prepared.target) if origin(url) == origin(prepared.url) else BASE_HEADERS
    headers = {name: value for name, value in own.items() if content or not name.lower().startswith(b"content-")}
    return httpx.Request(method, url, headers=headers, content=content or None, extensions=dict(last.extensions))
