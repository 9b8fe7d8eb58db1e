"""Who may ask for what: the page has no login, so it does not leave the machine unless the settings say so."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

RELOAD = "/-/reload"
OPEN_PATHS = frozenset({"/metrics", "/-/healthy", "/-/ready", RELOAD})
"""Served on every address; a reload looks at its peer by itself."""

SECURITY_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}

NOT_EXPOSED = (
    "403: this page has no login, and so it is served to loopback only.\n"
    "This daemon listens where others can reach it. Let web.listen be 127.0.0.1:PORT and read the page through\n"
    "`ssh -L 9780:127.0.0.1:PORT HOST`, or, if everybody who can reach this address may read it,\n"
    "set web.expose_page: true in the settings (MONITOR_WEB__EXPOSE_PAGE=true).\n"
)
WRONG_HOST = (
    "403: this address answers for localhost only, so that a web site cannot read it through a browser here.\n"
    "If a proxy sends requests under another name, set web.external_url in the settings to that address.\n"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """`listen_host` is where the daemon listens; `external_url` is how people reach it through a proxy."""

    listen_host: str
    external_url: str | None = None
    expose_page: bool = False

    def refusal(self, path: str, host_header: str | None) -> str | None:
        """Why this request is not answered, with what would change it; None when it is."""
        if is_loopback(self.listen_host):
            return None if self._known(host_header) else WRONG_HOST
        return None if self.expose_page or path in OPEN_PATHS else NOT_EXPOSED

    def _known(self, host_header: str | None) -> bool:
        """A page on another site that has its name point here (DNS rebinding) sends its own name as Host."""
        host = host_of(host_header or "")
        external = host_of(urlsplit(self.external_url or "").netloc)
        return host != "" and (is_loopback(host) or host == external)


def host_of(authority: str) -> str:
    """`[::1]:9780` to `::1`, `LOCALHOST:9780` to `localhost`; empty when it is no authority."""
    try:
        return (urlsplit(f"//{authority}").hostname or "").lower()
    except ValueError:
        return ""


def is_loopback(host: str) -> bool:
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


class Guard:
    """Refuses what `access` refuses, and puts the security headers on every answer, errors too."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(SECURITY_HEADERS)
            await send(message)

        refusal = self._access.refusal(scope["path"], Headers(scope=scope).get("host"))
        app = self._app if refusal is None else PlainTextResponse(refusal, 403)
        await app(scope, receive, send_with_headers)
