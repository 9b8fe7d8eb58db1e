"""What the daemon serves over HTTP: metrics, health, and a page that only reads."""

from __future__ import annotations

from monitor.http_server import bind, serve
from monitor.web.app import create_app
from monitor.web.health import Health

__all__ = ["Health", "bind", "create_app", "serve"]
