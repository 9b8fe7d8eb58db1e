"""A request as the bytes that are sent."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import httpx

from probes.engine.failures import Unanswered
from probes.result import FailureReason

DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Proxy:
    """`authorization` is the value of Proxy-Authorization; empty: none is sent."""

    scheme: Literal["http", "https"]
    host: str
    port: int
    authorization: bytes = field(default=b"", repr=False)

    def __str__(self) -> str:
        return f"{self.scheme}://{_in_address(self.host)}:{self.port}"

    @property
    def header(self) -> bytes:
        return b"Proxy-Authorization: %b\r\n" % self.authorization if self.authorization else b""


@dataclass(frozen=True, slots=True)
class Wire:
    """A whole request as it is sent. Made once for a target: nothing of it changes from probe to probe."""

    secure: bool
    host: str  # as DNS and sockets take it
    port: int
    method: str
    data: bytes
    proxy: Proxy | None = None

    @property
    def authority(self) -> bytes:
        return f"{_in_address(self.host)}:{self.port}".encode("ascii")


def wire_of(request: httpx.Request, body: bytes) -> Wire:
    """Raises Unanswered for an address that is not of HTTP."""
    url = request.url
    if url.scheme not in DEFAULT_PORTS:
        raise Unanswered(FailureReason.PROTOCOL, f"{url.scheme!r} cannot be asked over HTTP")
    host = url.raw_host.decode("ascii")
    port = url.port or DEFAULT_PORTS[url.scheme]
    secure, proxy = url.scheme == "https", request.extensions.get("proxy")
    head = _head(request) if secure or proxy is None else _head_for_proxy(request, proxy)
    return Wire(secure, host, port, request.method, head + body, proxy)


def _in_address(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _head(request: httpx.Request, start: bytes = b"", more: bytes = b"") -> bytes:
    lines = [b"%b %b%b HTTP/1.1" % (request.method.encode("ascii"), start, request.url.raw_path)]
    lines += [name + b": " + value for name, value in request.headers.raw]
    return b"\r\n".join(lines) + b"\r\n" + more + b"\r\n"


def _head_for_proxy(request: httpx.Request, proxy: Proxy) -> bytes:
    """As a proxy wants it: GET http://host/path HTTP/1.1."""
    return _head(request, b"http://" + request.url.netloc, proxy.header)
