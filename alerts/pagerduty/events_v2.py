"""PagerDuty's Events API v2, the default driver: one POST an event, over httpx."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

import httpx

from alerts.pagerduty.answer import ANSWER_BYTES, V2, Answer, judge, without
from alerts.pagerduty.body import body_of, encode
from alerts.pagerduty.event import PageEvent, PagerRetry, Receipt
from alerts.pagerduty.place import Place

PATH = "/v2/enqueue"
# Compression is not asked for: a small answer could inflate to any size.
HEADERS = {"Content-Type": "application/json", "Accept": "application/json", "Accept-Encoding": "identity"}


def _now() -> datetime:
    return datetime.now(UTC)


class EventsV2:
    """A Pager for one integration key. Certificates are verified, redirects are not followed.

    `base_url` names the service region: https://events.pagerduty.com, or https://events.eu.pagerduty.com.
    `timeout_seconds` is the deadline of a whole attempt. A `client` that is given stays the caller's to close;
    without one, `trust_env` says whether proxy variables and SSL_CERT_FILE count.
    """

    def __init__(
        self,
        base_url: str,
        routing_key: str,
        *,
        timeout_seconds: float = 10.0,
        client: httpx.AsyncClient | None = None,
        trust_env: bool = False,
        now: Callable[[], datetime] = _now,
    ) -> None:
        self._place = Place(base_url, routing_key)
        try:
            self._url = httpx.URL(self._place.url(PATH))
        except httpx.InvalidURL as error:
            raise ValueError(f"the events address is not valid: {error}") from None
        self._timeout_seconds = timeout_seconds
        self._now = now
        self._owned = client is None
        self._client = client or httpx.AsyncClient(trust_env=trust_env, timeout=timeout_seconds)

    def __repr__(self) -> str:
        return f"EventsV2({self._place})"

    async def send(self, event: PageEvent) -> Receipt:
        try:
            async with asyncio.timeout(self._timeout_seconds):
                answer = await self._post(event)
        except TimeoutError:
            raise PagerRetry(f"no whole answer within {self._timeout_seconds:g} s from {self._place}") from None
        except (httpx.HTTPError, httpx.StreamError, OSError) as error:
            text = without(self._place.key, str(error))
            wrong_certificate = "CERTIFICATE_VERIFY_FAILED" in text
            reason = f"{type(error).__name__} at {self._place}: {text}"
            raise PagerRetry(reason, misconfigured=wrong_certificate) from None
        return judge(answer, V2, self._place.key, self._now())

    async def close(self) -> None:
        if self._owned:
            await self._client.aclose()

    async def _post(self, event: PageEvent) -> Answer:
        content = encode(body_of(event, self._place.key))
        request = self._client.build_request("POST", self._url, content=content, headers=HEADERS)
        response = await self._client.send(request, stream=True, follow_redirects=False)
        try:
            body = b""
            async for chunk in response.aiter_raw(ANSWER_BYTES):
                body += chunk
                if len(body) > ANSWER_BYTES:
                    break
        finally:
            await response.aclose()
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Answer(status=response.status_code, headers=headers, body=body)
