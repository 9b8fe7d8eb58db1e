"""What an answer of the Events API means for the page: taken, to be sent again, or refused for good.

Only the API's own, well-formed word takes a page off the outbox. Whatever else comes (a proxy's page, a redirect,
another region's 401) leaves it there, and says that a person must look.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from alerts.pagerduty.body import one_line
from alerts.pagerduty.event import PagerRefused, PagerRetry, Receipt

ANSWER_BYTES = 64 * 1024  # the API's own answers are below 1 KiB
REASON_CHARACTERS = 500
HINT_SECONDS = (1.0, 300.0)  # a Retry-After beyond five minutes would silence a page for too long


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """Where the answers of the two versions of the API differ."""

    rate_limit: int  # the status that means "too many events"


V1 = Api(rate_limit=403)
V2 = Api(rate_limit=429)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """`headers` in lower case; `body` cut at ANSWER_BYTES + 1."""

    status: int
    headers: Mapping[str, str]
    body: bytes


# What a person should look at when the API's own contract does not know the status.
ADVICE = {
    401: "the key may be wrong, or belong to another service region",
    403: "the key may be wrong, or a proxy may forbid the request",
    404: "the address is wrong: check pagerduty.events_url",
    405: "the address is wrong: check pagerduty.events_url",
    407: "a proxy wants a login",
    408: "the server got the event too slowly",
    413: "a proxy takes no event of this size",
}


def judge(answer: Answer, api: Api, secret: str, now: datetime) -> Receipt:
    """The receipt of a taken event. Raises PagerRetry or PagerRefused, without `secret` in the text."""
    status = answer.status
    said = _said(answer)
    words = _words(said, secret)
    if 200 <= status < 300 and said.get("status") == "success":
        return Receipt(f"{status} {words}")
    if status == 400 and _is_the_apis(said):
        raise PagerRefused(f"HTTP 400: {words}")
    hint = retry_after(answer.headers.get("retry-after"), now)
    if status in {api.rate_limit, 429}:
        raise PagerRetry(f"HTTP {status}: too many events for this key", hint)
    if status >= 500:
        raise PagerRetry(f"HTTP {status}: {words}", hint)
    raise PagerRetry(f"HTTP {status}: {_advice(status)}: {words}", hint, misconfigured=True)


def retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds of a Retry-After header (a number or an HTTP date), within HINT_SECONDS; None for nonsense."""
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        seconds = float(text[:9])
    else:
        try:
            at = parsedate_to_datetime(text)
            seconds = ((at if at.tzinfo else at.replace(tzinfo=UTC)) - now).total_seconds()
        except (ValueError, TypeError, OverflowError, IndexError):
            return None
    low, high = HINT_SECONDS
    return min(max(seconds, low), high)


def without(secret: str, text: str) -> str:
    """`text` on one line, bounded, with the secret taken out: an API may well quote the key it did not like."""
    hidden = re.sub(re.escape(secret), "[key]", text, flags=re.IGNORECASE)
    return one_line(hidden, REASON_CHARACTERS)


def _advice(status: int) -> str:
    if 200 <= status < 300:
        return "not the API's word that it took the event: a proxy or a login page may answer in its place"
    if 300 <= status < 400:
        return "a redirect, which is not followed: check pagerduty.events_url"
    return ADVICE.get(status, "not an answer of the Events API: check pagerduty.events_url and proxies")


def _said(answer: Answer) -> dict[str, Any]:
    """The JSON object of the answer; empty when there is none, or when it is larger than any answer of the API."""
    if len(answer.body) > ANSWER_BYTES:
        return {}
    try:
        said = json.loads(answer.body)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _is_the_apis(said: Mapping[str, Any]) -> bool:
    """Whether an error has the published shape: status and message, perhaps a list of errors."""
    return isinstance(said.get("status"), str) and isinstance(said.get("message"), str)


def _words(said: Mapping[str, Any], secret: str) -> str:
    if not said:
        return "no JSON object in the answer"
    errors = said.get("errors")
    parts = [said.get("status"), said.get("message"), *(errors if isinstance(errors, list) else ())]
    return without(secret, "; ".join(str(part) for part in parts if part))
