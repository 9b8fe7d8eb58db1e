"""What every request has, and where it goes."""

from __future__ import annotations

import httpx

BASE_HEADERS = {
    b"User-Agent": b"monitor-oncall",
    b"Accept": b"*/*",
    b"Accept-Encoding": b"identity",  # a compressed answer would have to be unpacked, and could be a bomb
    b"Connection": b"close",
}


def origin(url: httpx.URL) -> tuple[str, bytes, int | None]:
    """Scheme, host and port: httpx drops a port that is the scheme's own."""
    return url.scheme, url.raw_host, url.port


def shown(url: httpx.URL) -> str:
    """For people: scheme, host and port. In all the rest secrets may stand, more so when a server gave the address."""
    return f"{url.scheme}://{url.netloc.decode('ascii', 'replace')}"
