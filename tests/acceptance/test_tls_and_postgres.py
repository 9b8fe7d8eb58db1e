"""The daemon on PostgreSQL, and what it makes of TLS: the grade, and a certificate that ends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.acceptance.harness import Daemon, Sink
from tests.support.nginx import Nginx
from tests.support.wait import free_port, until


@pytest.fixture
def nginx(tmp_path: Path) -> Iterator[Nginx]:
    made = Nginx(tmp_path / "nginx")
    ends = datetime.now(UTC) + timedelta(days=15)
    made.use_certificate(made.ca.issue_cert("localhost", "127.0.0.1", not_after=ends))
    with made:
        yield made


def settings(events_url: str, *targets: dict[str, Any], **more: Any) -> dict[str, Any]:
    quick = {"outage": {"failures": 2, "for": "0s"}, "recovery": {"successes": 2, "for": "0s"}}
    return {
        "pagerduty": {
            "events_url": events_url,
            "routes": {"default": {"routing_key": "env:PD_KEY"}, "tickets": {"routing_key": "env:PD_KEY"}},
        },
        "defaults": {"every": "500ms", "ticket_route": "tickets", **quick},
        "targets": list(targets),
        **more,
    }


@pytest.mark.parametrize("store_kind", ["postgresql"], indirect=True)
def test_an_episode_on_postgresql_with_a_crash_in_it(tmp_path: Path, store_url: str) -> None:
    with Sink(tmp_path) as sink:
        target = {"name": "web", "url": f"http://127.0.0.1:{free_port()}/"}
        daemon = Daemon(tmp_path, settings(sink.url, target, store={"url": "env:DATABASE_URL"}))
        secrets = {"DATABASE_URL": store_url}
        try:
            daemon.start(**secrets)
            until(lambda: [alert["status"] for alert in sink.alerts()] == ["triggered"], what="the page")
            daemon.kill()
            shown = daemon.command("incidents", "list", "-c", str(daemon.config), "--format", "json", **secrets)
            assert [row["state"] for row in json.loads(shown)["incidents"]] == ["triggered"]
            daemon.command("incidents", "ack", "1", "-c", str(daemon.config), **secrets)
            with Nginx(tmp_path / "nginx") as nginx:
                text = daemon.config.read_text().replace(target["url"], nginx.http_url)
                daemon.config.write_text(text)
                daemon.start(**secrets)
                until(lambda: [alert["status"] for alert in sink.alerts()] == ["resolved"], what="its end")
            # Killed between the pager's answer and its note of it, the daemon sends again, which changes nothing there.
            effects = [event["effect"] for event in sink.events() if event["effect"] != "updated"]
            assert effects == ["opened", "acknowledged", "resolved"]
            assert daemon.stop() == 0
        finally:
            daemon.kill()


def test_the_daemon_grades_an_endpoint_and_warns_before_its_certificate_ends(tmp_path: Path, nginx: Nginx) -> None:
    tls = {"grade": "A+", "ca_file": str(nginx.ca_file)}
    target = {"name": "shop", "url": nginx.https_url, "every": "2s", "tls": tls}
    with Sink(tmp_path) as sink:
        daemon = Daemon(tmp_path, settings(sink.url, target))
        try:
            daemon.start()
            until(lambda: daemon.metric("monitor_tls_grade", target="shop") is not None, seconds=60, what="a grade")
            (alert,) = until(sink.alerts, what="the ticket")
            assert alert["body"]["payload"]["severity"] == "warning"
            shown = daemon.command("incidents", "show", "1", "--format", "json")
            until(lambda: "15d" in daemon.command("incidents", "show", "1", "--format", "json"), what="the expiry")
            assert "certificate" in shown
            page = httpx.get(f"{daemon.url}/", trust_env=False).text
            assert "A" in page
            until(
                lambda: {one["rule"] for one in _incident(daemon)["firing"]} == {"certificate", "tls_grade"},
                seconds=60,
                what="both rules on one incident",
            )
            assert len(sink.alerts()) == 1
            assert daemon.stop() == 0
        finally:
            daemon.kill()


def _incident(daemon: Daemon) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(daemon.command("incidents", "show", "1", "--format", "json"))
    return document.get("incident", document)
