"""Whether a target's address can be asked at all: said when settings are read, not at the first probe."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from urllib.parse import urlsplit

import httpx

from probes.engine.dns_question import question_of
from probes.engine.failures import Unanswered
from probes.tls.endpoint import host_name

_NO_HOST = "{!r} is not a host; write a name such as example.com, or an IP address"


def mistake_in(url: str) -> str | None:
    """What is wrong and what would be right, of an address that `Target` takes; None when it can be asked."""
    try:
        parts = urlsplit(url)
        if parts.port == 0:
            return "the port 0 cannot be connected to; a port is a number from 1 to 65535"
    except ValueError:  # Target says so
        return None
    check = _CHECKS.get(parts.scheme)
    return check(url) if check else None


def _http(url: str) -> str | None:
    try:
        asked = httpx.URL(url)
        named = asked.host
    except (httpx.InvalidURL, UnicodeError) as error:
        return f"the address cannot be asked: {error}; write one such as https://example.com/health"
    return None if host_name(asked.raw_host.decode("ascii")) else _NO_HOST.format(named)


def _websocket(url: str) -> str | None:
    if urlsplit(url).fragment:  # RFC 6455 3
        return "a WebSocket address has no fragment; remove what begins with #"
    return _http(url)


def _grpc(url: str) -> str | None:
    parts = urlsplit(url)
    if parts.query or parts.fragment:
        return "a gRPC address ends with the name of a service, or with the port; remove what begins with ? or #"
    return _host(url)


def _host(url: str) -> str | None:
    host = urlsplit(url).hostname or ""
    return None if host_name(host) else _NO_HOST.format(host)


def _dns(url: str) -> str | None:
    server = urlsplit(url).hostname
    if server is not None and not host_name(server):
        return _NO_HOST.format(server)
    try:
        question_of(url)
    except Unanswered as unanswered:
        return f"{unanswered.failure.detail.rstrip('.')}; write one such as dns://192.0.2.53/example.com?type=AAAA"
    return None


_CHECKS: Mapping[str, Callable[[str], str | None]] = MappingProxyType(
    {
        "http": _http,
        "https": _http,
        "tcp": _host,
        "tls": _host,
        "icmp": _host,
        "dns": _dns,
        "grpc": _grpc,
        "grpcs": _grpc,
        "ws": _websocket,
        "wss": _websocket,
        "dns+tcp": _dns,
        "dns+tls": _dns,
    }
)
