"""`/metrics` and the `/-/` endpoints, as Prometheus and Kubernetes expect them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from monitor.errors import UserError
from monitor.metrics import Metrics
from monitor.metrics.transfer import gathered, gzipped, takes_gzip
from monitor.web.access import RELOAD, is_loopback
from monitor.web.health import Health

Reload = Callable[[], Awaitable[None]]
"""Reads the settings again and takes them over, or raises UserError and leaves everything as it was."""

log = structlog.get_logger()

# A browser sends these on behalf of any page; a proxy sends these on behalf of somebody who is not on this machine.
_BROWSER_HEADERS = ("origin", "sec-fetch-site")
_PROXY_HEADERS = ("forwarded", "x-forwarded-for")


def operations(metrics: Metrics, health: Health, reload: Reload) -> list[Route]:
    async def scrape(request: Request) -> Response:
        # Rendered in threads, as fast as it is read: neither the loop nor the memory has the whole of it.
        pieces, content_type = metrics.scrape(request.headers.get("accept", ""))
        headers = {"content-type": content_type, "vary": "Accept, Accept-Encoding"}
        if takes_gzip(request.headers.get("accept-encoding", "")):
            return StreamingResponse(gathered(gzipped(pieces)), headers=headers | {"content-encoding": "gzip"})
        return StreamingResponse(gathered(pieces), headers=headers)

    async def healthy(_: Request) -> Response:
        return PlainTextResponse("healthy\n")

    async def ready(_: Request) -> Response:
        missing = health.missing()
        if missing:
            return PlainTextResponse("not ready\n" + "".join(f"{line}\n" for line in missing), 503)
        return PlainTextResponse("ready\n")

    async def reload_settings(request: Request) -> Response:
        refusal = _reload_refusal(request)
        return PlainTextResponse(refusal, 403) if refusal else await _reload(reload)

    return [
        Route("/metrics", scrape),
        Route("/-/healthy", healthy),
        Route("/-/ready", ready),
        Route(RELOAD, reload_settings, methods=["POST"]),
    ]


def _reload_refusal(request: Request) -> str | None:
    peer = request.client
    if peer is None or not is_loopback(peer.host) or any(name in request.headers for name in _PROXY_HEADERS):
        return "403: a reload is taken from this machine only; on it, run curl -X POST, or send the daemon SIGHUP\n"
    if any(name in request.headers for name in _BROWSER_HEADERS):
        return "403: a reload is not taken from a browser; run curl -X POST, or send the daemon SIGHUP\n"
    return None


async def _reload(reload: Reload) -> Response:
    try:
        await reload()
    except UserError as error:
        return PlainTextResponse(f"not reloaded, the old settings stay in force:\n{error}\n", 400)
    except Exception:
        log.exception("reload failed")
        return PlainTextResponse("not reloaded, the old settings stay in force: an error of ours, see the log\n", 500)
    return PlainTextResponse("reloaded\n")
