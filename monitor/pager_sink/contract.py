"""What the Events API takes and what it refuses, as PagerDuty publishes it. Pure."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from alerts.incident import PageAction

BODY_BYTES = 512 * 1024
ACTIONS = frozenset(action.value for action in PageAction)
SEVERITIES = frozenset({"critical", "error", "warning", "info"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """An event as it was taken. `body` is the sender's, without the key; `key` is to be hashed, never shown."""

    key: str
    action: PageAction
    dedup_key: str
    body: Mapping[str, Any]


class Invalid(Exception):
    """The event is refused with HTTP 400."""

    def __init__(self, *errors: str) -> None:
        super().__init__("; ".join(errors))
        self.errors = errors


def parse(raw: bytes) -> dict[str, Any]:
    """Raises Invalid for what is no JSON object, or could not be given back (half a character, 1e999)."""
    try:
        body = json.loads(raw, parse_constant=_no_constant)
        json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError):
        raise Invalid("JSON parse error") from None
    if not isinstance(body, dict):
        raise Invalid("Event must be an object")
    return body


def read_v2(body: dict[str, Any]) -> Event:
    """An event of `POST /v2/enqueue`. Raises Invalid with every error."""
    errors: list[str] = []
    key = body.get("routing_key")
    if not isinstance(key, str) or not key:
        errors.append("'routing_key' is missing or blank")
    elif len(key) != 32:
        errors.append("'routing_key' must have 32 characters")
    action = body.get("event_action")
    if not _one_of(action, ACTIONS):
        errors.append("'event_action' must be one of trigger, acknowledge, resolve")
    errors += _texts(body, {"dedup_key": 255, "client": None, "client_url": None})
    if action == PageAction.TRIGGER:
        errors += _payload(body.get("payload"))
    elif not body.get("dedup_key"):
        errors.append("'dedup_key' is missing or blank")
    errors += _listed(body, "links", lambda link: isinstance(link.get("href"), str), "a 'href'")
    errors += _listed(body, "images", lambda image: _https(image.get("src")), "a 'src' with https")
    return _event(body, errors, key="routing_key", action="event_action", dedup_key="dedup_key")


def read_v1(body: dict[str, Any]) -> Event:
    """An event of `POST /generic/2010-04-15/create_event.json`. Raises Invalid with every error."""
    errors: list[str] = []
    key = body.get("service_key")
    if not isinstance(key, str) or len(key) != 32 or not set(key.lower()) <= set("0123456789abcdef"):
        errors.append("'service_key' must have 32 hexadecimal characters")
    action = body.get("event_type")
    if not _one_of(action, ACTIONS):
        errors.append("'event_type' must be one of trigger, acknowledge, resolve")
    errors += _texts(body, {"incident_key": 255, "description": 1024, "client": None, "client_url": None})
    if action == PageAction.TRIGGER and not body.get("description"):
        errors.append("'description' is missing or blank")
    if action != PageAction.TRIGGER and not body.get("incident_key"):
        errors.append("'incident_key' is missing or blank")
    if "details" in body and not isinstance(body["details"], dict):
        errors.append("'details' must be an object")
    return _event(body, errors, key="service_key", action="event_type", dedup_key="incident_key")


def _event(body: dict[str, Any], errors: list[str], *, key: str, action: str, dedup_key: str) -> Event:
    if errors:
        raise Invalid(*errors)
    return Event(
        key=body[key],
        action=PageAction(body[action]),
        dedup_key=body.get(dedup_key) or uuid.uuid4().hex,  # a trigger without a key is an alert of its own
        body={name: value for name, value in body.items() if name != key},
    )


def _payload(payload: Any) -> list[str]:
    if not isinstance(payload, dict):
        return ["'payload' is missing or no object"]
    errors = [f"'payload.{name}' is missing or blank" for name in ("summary", "source") if not payload.get(name)]
    limits = {"summary": 1024, "source": None, "component": None, "group": None, "class": None, "timestamp": None}
    errors += [error.replace("'", "'payload.", 1) for error in _texts(payload, limits)]
    if not _one_of(payload.get("severity"), SEVERITIES):
        errors.append("'payload.severity' must be one of critical, error, warning, info")
    if "custom_details" in payload and not isinstance(payload["custom_details"], dict):
        errors.append("'payload.custom_details' must be an object")
    return errors


def _texts(body: Mapping[str, Any], limits: Mapping[str, int | None]) -> list[str]:
    errors = []
    for name, limit in limits.items():
        if name not in body:
            continue
        if not isinstance(body[name], str):
            errors.append(f"'{name}' must be a string")
        elif limit is not None and len(body[name]) > limit:
            errors.append(f"'{name}' must have at most {limit} characters")
    return errors


def _listed(body: Mapping[str, Any], name: str, good: Callable[[dict[str, Any]], bool], need: str) -> list[str]:
    items = body.get(name, [])
    if isinstance(items, list) and all(isinstance(item, dict) and good(item) for item in items):
        return []
    return [f"'{name}' must be a list of objects, each with {need}"]


def _https(url: Any) -> bool:
    return isinstance(url, str) and url.startswith("https://")


def _one_of(value: Any, allowed: frozenset[str]) -> bool:
    return isinstance(value, str) and value in allowed


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
