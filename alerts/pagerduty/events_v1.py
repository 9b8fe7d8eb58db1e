"""The driver `pagerduty-v1`: Events API v1 through the package `pagerduty-api` (the version 1 keys of older services).

The package has neither deadline nor retry, knows one address only, follows redirects and makes one exception of every
refusal; it builds the request, and the sending is ours. One `Alert` object serves one event: it remembers its last key.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import requests
from pagerduty_api import Alert
from urllib3.exceptions import HTTPError

from alerts.incident import PageAction
from alerts.pagerduty.answer import ANSWER_BYTES, V1, Answer, judge, without
from alerts.pagerduty.body import (
    BODY_BYTES,
    FIELD_CHARACTERS,
    details_of,
    details_that_fit,
    encode,
    fitting_key,
    one_line,
    summary_of,
    web_links,
    web_url,
)
from alerts.pagerduty.event import PageEvent, PagerRetry, Receipt
from alerts.pagerduty.place import Place

PATH = "/generic/2010-04-15/create_event.json"
CONNECT_SECONDS = 3.05
# Attempts that outlived their deadline (a server that drips for ever) each keep a thread until the server lets go.
ABANDONED_LIMIT = 32
DETAILS_BYTES = BODY_BYTES - 32 * 1024  # the other fields are bounded far below that


class _Alert(Alert):  # type: ignore[misc]
    """The package's request, sent with deadlines, bounds and an address from the settings; gives the bare answer."""

    def __init__(self, place: Place, timeout_seconds: float) -> None:
        super().__init__(place.key)
        self.URL = place.url(PATH)
        self._deadline = time.monotonic() + timeout_seconds
        self._timeout = (min(CONNECT_SECONDS, timeout_seconds), timeout_seconds)

    def _post(self, url: str, data: dict[str, Any], headers: dict[str, str]) -> Answer:
        # The package sends null for what was not given; the published contract has no null.
        content = encode({name: value for name, value in data.items() if value is not None})
        with requests.Session() as session:
            session.trust_env = False
            session.headers["Accept-Encoding"] = "identity"
            with session.post(
                url, data=content, headers=headers, timeout=self._timeout, allow_redirects=False, stream=True
            ) as response:
                fields = {name.lower(): value for name, value in response.headers.items()}
                return Answer(status=response.status_code, headers=fields, body=self._read(response))

    def _read(self, response: requests.Response) -> bytes:
        body = b""
        while len(body) <= ANSWER_BYTES and time.monotonic() < self._deadline:
            chunk = response.raw.read1(ANSWER_BYTES, decode_content=False)
            if not chunk:
                break
            body += chunk
        return body


def _details(event: PageEvent) -> dict[str, str]:
    """Version 1 has no severity, and the package no links: both travel in the details."""
    links = {link["text"]: link["href"] for link in web_links(event)}
    return details_that_fit({"severity": event.severity, **links, **details_of(event)}, DETAILS_BYTES)


def _say(alert: Any, event: PageEvent) -> Answer:
    key = fitting_key(event.dedup_key)
    if event.action is PageAction.TRIGGER:
        return alert.trigger(  # type: ignore[no-any-return]
            description=summary_of(event),
            incident_key=key,
            client=one_line(event.client, FIELD_CHARACTERS) or "monitor",
            client_url=web_url(event.client_url),
            details=_details(event),
        )
    act = alert.acknowledge if event.action is PageAction.ACKNOWLEDGE else alert.resolve
    return act(incident_key=key)  # type: ignore[no-any-return]


class EventsV1:
    """A Pager for one version 1 integration key. `timeout_seconds` is the deadline of a whole attempt."""

    def __init__(self, base_url: str, service_key: str, *, timeout_seconds: float = 10.0) -> None:
        self._place = Place(base_url, service_key)
        self._timeout_seconds = timeout_seconds
        self._threads: set[threading.Thread] = set()

    def __repr__(self) -> str:
        return f"EventsV1({self._place})"

    async def send(self, event: PageEvent) -> Receipt:
        self._threads = {thread for thread in self._threads if thread.is_alive()}
        if len(self._threads) >= ABANDONED_LIMIT:
            raise PagerRetry(f"{ABANDONED_LIMIT} attempts still hang at {self._place}", misconfigured=True)
        alert = _Alert(self._place, self._timeout_seconds)
        try:
            async with asyncio.timeout(self._timeout_seconds):
                answer = await self._in_thread(lambda: _say(alert, event))
        except TimeoutError:
            raise PagerRetry(f"no whole answer within {self._timeout_seconds:g} s from {self._place}") from None
        except (OSError, HTTPError) as error:
            raise PagerRetry(
                self._reason(error), misconfigured=isinstance(error, requests.exceptions.SSLError)
            ) from None
        return judge(answer, V1, self._place.key, datetime.now(UTC))

    async def close(self) -> None:
        """Nothing is kept open between events."""

    def _reason(self, error: Exception) -> str:
        return f"{type(error).__name__} at {self._place}: {without(self._place.key, str(error))}"

    async def _in_thread(self, call: Callable[[], Answer]) -> Answer:
        """`call` in a thread that can be abandoned: a daemon thread of its own.

        asyncio.to_thread would hold a slot of the shared pool for as long as the server drips, and the program's exit
        with it.
        """
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Answer] = loop.create_future()

        def settle(answer: Answer | None, error: Exception | None) -> None:
            if done.done():
                return
            if error is not None:
                done.set_exception(error)
            elif answer is not None:
                done.set_result(answer)

        def work() -> None:
            answer, failure = None, None
            try:
                answer = call()
            except Exception as error:  # handed to the waiting coroutine, whatever it is
                failure = error
            try:
                loop.call_soon_threadsafe(settle, answer, failure)
            except RuntimeError:
                return  # the loop ended before the server did

        thread = threading.Thread(target=work, name="pagerduty-v1", daemon=True)
        self._threads.add(thread)
        thread.start()
        return await done
