"""What was asked over HTTP and what came, as steps for those who watch. Of headers that a user set only the names are
told, of addresses never the query: secrets stand there."""

from __future__ import annotations

from collections.abc import Callable

import httpx

from probes.engine.exchange import Exchange, listed
from probes.engine.request import shown
from probes.engine.response import Answer

# What tells people who answered and why so. Others may hold a session, and are told by name.
TOLD_HEADERS = {
    "allow",
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "date",
    "retry-after",
    "server",
    "transfer-encoding",
    "via",
}
MAX_VALUE_CHARACTERS = 200
Hide = Callable[[str], str]
"""Takes out of a text what was sent and must not be shown: a server may send it back."""


def note_request(exchange: Exchange, method: str, url: httpx.URL, headers: httpx.Headers, hide: Hide) -> None:
    def told() -> str:
        return f"{method} {hide(address(url))} with the headers {listed(list(headers), most=20)}"

    exchange.note("asking", told)


def note_answer(exchange: Exchange, answer: Answer, hide: Hide) -> None:
    if exchange.steps is None:
        return
    size = f"{len(answer.body)} bytes of body{', cut there' if answer.cut else ''}"
    exchange.note("answered", f"status {answer.status_code}, HTTP/{answer.version}, {size}")
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in answer.headers]
    for name, value in headers:
        if name.lower() in TOLD_HEADERS:
            exchange.note("header", f"{name}: {hide(value)[:MAX_VALUE_CHARACTERS]}")
    others = [name for name, _ in headers if name.lower() not in TOLD_HEADERS]
    if others:
        exchange.note("more headers", f"{hide(listed(others, most=20))}; their values are not shown")


def note_redirect(exchange: Exchange, number: int, url: httpx.URL, hide: Hide) -> None:
    exchange.note("redirected", lambda: f"{number}: to {hide(address(url))}")


def address(url: httpx.URL) -> str:
    query = "?***" if url.query else ""
    return f"{shown(url)}{url.path}{query}"
