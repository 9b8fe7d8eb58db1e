"""Where events go: the address and the key, of which only the host may ever be shown."""

from __future__ import annotations

from urllib.parse import urlsplit


class Place:
    """Raises ValueError for an address or key that no request can be made of, without quoting the key."""

    __slots__ = ("_base", "_host", "key")

    def __init__(self, base_url: str, key: str) -> None:
        parts = urlsplit(base_url)
        if parts.scheme not in {"http", "https"} or not parts.hostname or not base_url.isprintable() or " " in base_url:
            raise ValueError("the events address must be like https://events.pagerduty.com")
        if not key or not key.isascii() or not key.isprintable() or " " in key:
            raise ValueError("the integration key must be printable ASCII without spaces")
        self._base = base_url.rstrip("/")
        self._host = parts.hostname if parts.port is None else f"{parts.hostname}:{parts.port}"
        self.key = key

    def url(self, path: str) -> str:
        return self._base + path

    def __repr__(self) -> str:
        return self._host
