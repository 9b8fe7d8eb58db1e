"""A request as the bytes that are sent."""

from __future__ import annotations

from dataclasses import dataclass

import httpx

from probes.engine.failures import Unanswered
from probes.result import FailureReason

DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Wire:
    """A whole request as it is sent. Made once for a target: nothing of it changes from probe to probe."""

    secure: bool
    host: str  # as DNS and sockets take it
    port: int
    method: str
    data: bytes


def wire_of(request: httpx.Request, body: bytes) -> Wire:
    """Raises Unanswered for an address that is not of HTTP."""
    url = request.url
    if url.scheme not in DEFAULT_PORTS:
        raise Unanswered(FailureReason.PROTOCOL, f"{url.scheme!r} cannot be asked over HTTP")
    host = url.raw_host.decode("ascii")
    port = url.port or DEFAULT_PORTS[url.scheme]
    return Wire(url.scheme == "https", host, port, request.method, _head(request) + body)


def _head(request: httpx.Request) -> bytes:
    lines = [b"%b %b HTTP/1.1" % (request.method.encode("ascii"), request.url.raw_path)]
    lines += [name + b": " + value for name, value in request.headers.raw]
    return b"\r\n".join(lines) + b"\r\n\r\n"
