"""What is to be scanned, and why it could not be."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from probes.result import FailureReason

HTTPS_PORT = 443
_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """`host` is a name in its ASCII (IDNA) form, or an IP address without brackets."""

    host: str
    port: int = HTTPS_PORT

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanRequest:
    """`server_name` goes out as SNI and is what the certificate must name. `ca_file` replaces the public trust store.
    `network_seconds` bounds one connect or one read, not the scan: whoever runs the scan bounds that."""

    endpoint: Endpoint
    server_name: str | None = None
    ca_file: str | None = None
    network_seconds: float = 5.0

    @property
    def name(self) -> str:
        """What the certificate must name."""
        return self.server_name or self.endpoint.host


class ScanError(Exception):
    """The endpoint cannot be scanned: a bounded reason for machines, and a sentence for people."""

    def __init__(self, reason: FailureReason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


def parse_endpoint(text: str) -> Endpoint:
    """`example.com`, `example.com:8443`, `192.0.2.1`, `[2001:db8::1]:443`, `2001:db8::1` or an https URL.

    Raises ValueError naming the text and the right form.
    """
    wrong = ValueError(
        f"{text!r} is not a host; write HOST or HOST:PORT, such as example.com, 192.0.2.1:8443 or [::1]:443"
    )
    bare = _authority(text)
    if bare is None:
        raise wrong
    host, port = _split(bare)
    if port is not None and (not re.fullmatch(r"[0-9]{1,5}", port) or not 0 < int(port) < 65536):
        raise ValueError(f"{text!r} has the port {port!r}; a port is a number from 1 to 65535")
    name = host_name(host)
    if name is None:
        raise wrong
    return Endpoint(name, HTTPS_PORT if port is None else int(port))


def host_name(host: str) -> str | None:
    """The host as it goes on the wire (lower case, IDNA), or None if it is neither a name nor an address."""
    try:
        return str(ip_address(host))
    except ValueError:
        pass
    try:
        ascii_host = host.encode("idna").decode("ascii").rstrip(".").lower()
    except UnicodeError:
        return None
    labels = ascii_host.split(".")
    # A name whose last label is a number would be a misspelt IPv4 address.
    if len(ascii_host) > 253 or labels[-1].isdigit() or not all(_LABEL.fullmatch(label) for label in labels):
        return None
    return ascii_host


def _authority(text: str) -> str | None:
    if "://" not in text:
        return text
    parts = urlsplit(text)
    return parts.netloc if parts.scheme == "https" and "@" not in parts.netloc else None


def _split(authority: str) -> tuple[str, str | None]:
    """(host, port as written); an IPv6 address may stand bare when no port follows it."""
    bracketed = re.fullmatch(r"\[([^\[\]]*)\](?::(.*))?", authority)
    if bracketed:
        # Only an IPv6 address stands in brackets; "" is refused as a host.
        return (bracketed[1] if ":" in bracketed[1] else ""), bracketed[2]
    if authority.count(":") == 1:
        host, _, port = authority.partition(":")
        return host, port
    return authority, None
