import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.pagerduty.answer import ANSWER_BYTES, V1, V2, Answer, Api, judge, retry_after
from alerts.pagerduty.event import PagerRefused, PagerRetry

KEY = "e93facc04764012d7bfb002500d5d1a6"
NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
SUCCESS = b'{"status":"success","message":"Event processed","dedup_key":"k"}'
ERROR = b'{"status":"invalid event","message":"Event object is invalid","errors":["bad one"]}'


def told(status: int, body: bytes = b"", api: Api = V2, **headers: str) -> object:
    """The receipt or the error, for comparing."""
    answer = Answer(status=status, headers={k.replace("_", "-"): v for k, v in headers.items()}, body=body)
    try:
        return judge(answer, api, KEY, NOW)
    except (PagerRetry, PagerRefused) as error:
        return error


@pytest.mark.parametrize("status", [200, 202])
def test_only_the_apis_own_word_takes_a_page_off(status: int) -> None:
    receipt = told(status, SUCCESS)
    assert getattr(receipt, "note", None) == f"{status} success; Event processed"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b'"success"',
        b'{"status":"failed"}',
        SUCCESS[:-1],
        SUCCESS + b" " * ANSWER_BYTES,
        b"[" * 60000,
    ],
)
def test_a_success_without_it_is_tried_again_loudly(body: bytes) -> None:
    error = told(202, body)
    assert isinstance(error, PagerRetry)
    assert error.misconfigured


def test_a_refusal_says_why() -> None:
    error = told(400, ERROR)
    assert isinstance(error, PagerRefused)
    assert error.reason == "HTTP 400: invalid event; Event object is invalid; bad one"


@pytest.mark.parametrize("body", [b"<html>400 plain HTTP sent to HTTPS port</html>", b"{}", b'{"error":"x"}'])
def test_a_400_of_somebody_else_does_not_lose_the_page(body: bytes) -> None:
    assert isinstance(told(400, body), PagerRetry)


@pytest.mark.parametrize(
    ("status", "api", "misconfigured"),
    [
        (429, V2, False), (429, V1, False), (403, V1, False), (403, V2, True), (500, V2, False), (599, V2, False),
        (301, V2, True), (401, V2, True), (402, V2, True), (404, V2, True), (413, V2, True), (451, V1, True),
    ],
)  # fmt: skip
def test_everything_else_is_tried_again(status: int, api: Api, misconfigured: bool) -> None:
    error = told(status, ERROR, api)
    assert isinstance(error, PagerRetry)
    assert error.misconfigured is misconfigured
    assert error.after_seconds is None


@given(st.integers(100, 599), st.binary(max_size=200) | st.sampled_from([SUCCESS, ERROR]), st.text(max_size=30))
def test_no_answer_is_a_defect(status: int, body: bytes, hint: str) -> None:
    told(status, body, retry_after=hint)


@pytest.mark.parametrize("status", [200, 400, 404, 500])
def test_the_key_is_not_repeated(status: int) -> None:
    body = json.dumps({"status": KEY, "message": KEY.upper(), "errors": [f"no {KEY}!", {"key": KEY}]})
    error = told(status, body.encode())
    assert "[key]" in str(error)
    assert KEY not in str(error).lower()


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None), ("30", 30), (" 30 ", 30), ("0", 1), ("86400", 300), ("9" * 500, 300), ("-5", None),
        ("soon", None), ("1.5", None), ("", None), ("٣", None),
        ("Mon, 23 Nov 2026 12:00:45 GMT", 45), ("Mon, 23 Nov 2026 12:00:45", 45), ("Mon, 23 Nov 2026 11:00:00 GMT", 1),
        ("Mon, 23 Nov 9999 12:00:00 GMT", 300), ("Mon, 99 Nov 2026 12:00:00 GMT", None),
    ],
)  # fmt: skip
def test_the_hint_is_read_and_bounded(value: str | None, seconds: float | None) -> None:
    assert retry_after(value, NOW) == seconds


def test_the_hint_reaches_the_sender() -> None:
    error = told(429, b"{}", retry_after="30")
    assert isinstance(error, PagerRetry)
    assert error.after_seconds == 30
