"""What a probe sends may be secret, and a service may send it back: it is taken out of what people are shown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from urllib.parse import parse_qsl, urlsplit

from probes.engine.auth import secrets_of
from probes.target import Target

SHORTEST_SECRET = 4


def sent(target: Target, token: str = "") -> Iterator[str]:
    """What the service was sent that may be secret, and that it may send back. `token` was had for it meanwhile."""
    yield from (value.get_secret_value() for value in target.headers.values())
    yield from secrets_of(target.auth)
    yield token
    yield urlsplit(target.url).query


def parts_sent(target: Target, token: str = "") -> Iterator[str]:
    """`sent`, and of each what a service would take out of it: the token after Bearer, a value of the query."""
    yield from sent(target, token)
    yield from (value.get_secret_value().partition(" ")[2] for value in target.headers.values())
    yield from (value for _, value in parse_qsl(urlsplit(target.url).query))


def hide(text: str, secrets: Iterable[str]) -> str:
    for secret in secrets:
        if len(secret) >= SHORTEST_SECRET:
            text = text.replace(secret, "***")
    return text
