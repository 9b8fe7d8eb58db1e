"""The sink's HTTP interface: the Events API's two addresses, and two to read back what came."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from monitor.pager_sink.contract import BODY_BYTES, Event, Invalid, parse, read_v1, read_v2
from monitor.pager_sink.ledger import Entry, Ledger

BODY_SECONDS = 30.0
HELP = """A local stand-in for PagerDuty's Events API: nobody is paged.
POST /v2/enqueue                                   take an event (Events API v2)
POST /generic/2010-04-15/create_event.json         take an event (Events API v1)
GET  /alerts?status=triggered&dedup_key=KEY        the alerts, oldest first
GET  /events?dedup_key=KEY                         every event that was taken, oldest first
"""


def sink_app(ledger: Ledger, on_entry: Callable[[Entry], None]) -> Starlette:
    """`on_entry` is called for each event that was taken, before it is answered."""

    async def take(request: Request, read: Callable[[dict[str, Any]], Event], success: int, key_name: str) -> Response:
        try:
            raw = await _body(request)
            event = read(parse(raw))
        except Invalid as invalid:
            said = {"status": "invalid event", "message": "Event object is invalid", "errors": list(invalid.errors)}
            return JSONResponse(said, 400)
        except _TooLarge:
            said = {"status": "too large", "message": f"Event is over {BODY_BYTES} bytes", "errors": []}
            return JSONResponse(said, 413)
        except (TimeoutError, ClientDisconnect):
            return JSONResponse({"status": "timeout", "message": "Event did not arrive", "errors": []}, 408)
        on_entry(ledger.take(event))
        return JSONResponse(
            {"status": "success", "message": "Event processed", key_name: event.dedup_key}, status_code=success
        )

    async def enqueue_v2(request: Request) -> Response:
        return await take(request, read_v2, 202, "dedup_key")

    async def create_v1(request: Request) -> Response:
        return await take(request, read_v1, 200, "incident_key")

    async def alerts(request: Request) -> Response:
        asked = _asked(request, "status", "dedup_key")
        found = [alert.as_json() for alert in ledger.alerts]
        return JSONResponse({"alerts": [alert for alert in found if asked.items() <= _texts(alert).items()]})

    async def events(request: Request) -> Response:
        asked = _asked(request, "action", "dedup_key")
        found = [entry.as_json() for entry in ledger.entries]
        return JSONResponse({"events": [entry for entry in found if asked.items() <= _texts(entry).items()]})

    async def about(_: Request) -> Response:
        return PlainTextResponse(HELP)

    return Starlette(
        routes=[
            Route("/v2/enqueue", enqueue_v2, methods=["POST"]),
            Route("/generic/2010-04-15/create_event.json", create_v1, methods=["POST"]),
            Route("/alerts", alerts),
            Route("/events", events),
            Route("/", about),
        ]
    )


class _TooLarge(Exception):
    """The body is over the API's limit."""


async def _body(request: Request) -> bytes:
    raw = bytearray()
    async with asyncio.timeout(BODY_SECONDS):
        async for chunk in request.stream():
            raw += chunk
            if len(raw) > BODY_BYTES:
                raise _TooLarge
    return bytes(raw)


def _asked(request: Request, *names: str) -> dict[str, str]:
    return {name: request.query_params[name] for name in names if name in request.query_params}


def _texts(row: dict[str, Any]) -> dict[str, str]:
    return {name: value for name, value in row.items() if isinstance(value, str)}
