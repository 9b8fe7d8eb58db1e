"""A page event as the JSON body of the Events API. Pure: a page is made to fit the API's limits, never lost to them."""

from __future__ import annotations

import hashlib
import json
from typing import Any
from urllib.parse import urlsplit

from alerts.incident import PageAction
from alerts.pagerduty.event import PageEvent

# Published limits, in characters; the body in bytes (Alertmanager's reading of "512 KB", the stricter one).
SUMMARY_CHARACTERS = 1024
DEDUP_KEY_CHARACTERS = 255
BODY_BYTES = 512_000
# Limits of our own: they leave the bytes to the details.
FIELD_CHARACTERS = 1024
URL_CHARACTERS = 2048
LINKS = 20

# C0 and C1 control characters but tab and line feed: JSON can carry them, a pager's screen cannot.
_CONTROL = {code: "\N{REPLACEMENT CHARACTER}" for code in (*range(32), *range(127, 160)) if code not in (9, 10)}


def clean(text: str) -> str:
    """Text that every JSON reader and screen takes: no control characters, no lone surrogates."""
    return text.encode("utf-8", "replace").decode().translate(_CONTROL)


def cut(text: str, characters: int) -> str:
    return text if len(text) <= characters else text[: characters - 1] + "…"


def one_line(text: str, characters: int) -> str:
    return cut(clean(" ".join(text.split())), characters)


def fitting_key(dedup_key: str) -> str:
    """The key as sent: a longer one keeps its beginning and ends in a hash of the whole, so no two become one."""
    key = clean(dedup_key)
    if len(key) <= DEDUP_KEY_CHARACTERS:
        return key
    digest = hashlib.sha256(key.encode()).hexdigest()
    return key[: DEDUP_KEY_CHARACTERS - len(digest)] + digest


def web_url(url: str | None) -> str | None:
    """The address when it is http or https with a host and of a sane length; anything else would risk the page."""
    if not url or len(url) > URL_CHARACTERS or clean(url) != url or any(character.isspace() for character in url):
        return None
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return url if parts.scheme in {"http", "https"} and parts.hostname else None


def web_links(event: PageEvent) -> list[dict[str, str]]:
    return [
        {"href": link.href, "text": one_line(link.text, FIELD_CHARACTERS) or link.href}
        for link in event.links[:LINKS]
        if web_url(link.href)
    ]


def details_of(event: PageEvent) -> dict[str, str]:
    """The details as an object; a name that comes again is numbered, so that nothing is overwritten."""
    details: dict[str, str] = {}
    for name, value in event.details:
        free = plain = one_line(name, FIELD_CHARACTERS) or "detail"
        number = 1
        while free in details:
            number += 1
            free = f"{plain} ({number})"
        details[free] = clean(value)
    return details


def encode(body: dict[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def summary_of(event: PageEvent) -> str:
    """Never empty: the API refuses a trigger without a summary."""
    return one_line(event.summary, SUMMARY_CHARACTERS) or f"Trouble with {source_of(event)}"[:SUMMARY_CHARACTERS]


def source_of(event: PageEvent) -> str:
    return one_line(event.source, FIELD_CHARACTERS) or one_line(event.client, FIELD_CHARACTERS) or "monitor"


def details_that_fit(details: dict[str, str], room: int) -> dict[str, str]:
    """`details`, or one line in their place when their JSON takes more than `room` bytes."""
    size = len(encode(details))
    if size <= room:
        return details
    return {"details": f"left out: {size} bytes are more than PagerDuty takes; monitor keeps them with the incident"}


def _payload(event: PageEvent) -> dict[str, Any]:
    optional = {"component": event.component, "group": event.group, "class": event.class_}
    payload: dict[str, Any] = {
        "summary": summary_of(event),
        "source": source_of(event),
        "severity": event.severity,
        **{name: one_line(value, FIELD_CHARACTERS) for name, value in optional.items() if value},
    }
    if event.timestamp is not None:
        payload["timestamp"] = event.timestamp.isoformat()
    return payload


def body_of(event: PageEvent, routing_key: str | None) -> dict[str, Any]:
    """The body of `POST /v2/enqueue`, at most BODY_BYTES when encoded. Without a routing key: for a sink."""
    body: dict[str, Any] = {} if routing_key is None else {"routing_key": routing_key}
    body |= {"event_action": event.action.value, "dedup_key": fitting_key(event.dedup_key)}
    if event.action is not PageAction.TRIGGER:
        return body
    body |= {"payload": _payload(event), "client": one_line(event.client, FIELD_CHARACTERS)}
    if client_url := web_url(event.client_url):
        body["client_url"] = client_url
    if links := web_links(event):
        body["links"] = links
    if event.details:
        room = BODY_BYTES - len(encode(body)) - len(',"custom_details":')
        body["payload"]["custom_details"] = details_that_fit(details_of(event), room)
    return body
