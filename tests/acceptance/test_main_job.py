"""The main job, end to end: a real nginx is stopped, one person is paged, the response is tracked, it resolves."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.acceptance.harness import Daemon, Sink
from tests.support.nginx import Nginx
from tests.support.wait import until

INTERVAL_SECONDS = 2.0


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[Sink]:
    with Sink(tmp_path) as running:
        yield running


@pytest.fixture
def nginx(tmp_path: Path) -> Iterator[Nginx]:
    with Nginx(tmp_path / "nginx") as running:
        yield running


@pytest.fixture
def daemon(tmp_path: Path, sink: Sink, nginx: Nginx) -> Iterator[Daemon]:
    made = Daemon(tmp_path, settings(sink, nginx, every=f"{INTERVAL_SECONDS:g}s", failures=2, successes=2))
    yield made
    made.kill()


def settings(sink: Sink, nginx: Nginx, *, every: str, failures: int, successes: int) -> dict[str, Any]:
    return {
        "region": "eu-test",
        "pagerduty": {"events_url": sink.url, "routes": {"default": {"routing_key": "env:PD_KEY"}}},
        "dashboards": {"url": "https://grafana.example.com/d/overview?var-target={target}"},
        "defaults": {
            "every": every,
            "outage": {"failures": failures, "for": "0s"},
            "recovery": {"successes": successes, "for": "0s"},
            "runbook": "runbook.md",
        },
        "targets": [
            {"name": "web", "url": nginx.http_url},
            {"name": "web-tls", "url": nginx.https_url, "tls": {"ca_file": str(nginx.ca_file)}},
        ],
    }


def statuses(sink: Sink) -> list[tuple[str, str]]:
    return sorted((alert["body"]["payload"]["source"], alert["status"]) for alert in sink.alerts())


def test_an_outage_is_paged_answered_and_resolved(daemon: Daemon, sink: Sink, nginx: Nginx) -> None:
    daemon.start()
    until(lambda: daemon.metric("probe_success", target="web-tls") == 1, what="a good HTTPS probe")
    until(lambda: daemon.metric("probe_ssl_earliest_cert_expiry", target="web-tls") is not None, what="its certificate")
    assert sink.alerts() == []

    nginx.stop()
    both = [("web", "triggered"), ("web-tls", "triggered")]
    until(lambda: statuses(sink) == both, seconds=3 * INTERVAL_SECONDS, what="a page for each target")
    page = sink.alerts()[0]["body"]
    links = [link["text"] for link in page["links"]]
    assert [text.split(":")[0].split(" ")[0] for text in links] == ["Runbook", "Dashboard", "Incident"]
    assert httpx.get(page["client_url"], trust_env=False).status_code == 200
    assert "What to do when it is down" in httpx.get(page["client_url"], trust_env=False).text

    number = str(next(row["id"] for row in daemon.incidents() if row["target"] == "web"))
    daemon.command("incidents", "ack", number)
    daemon.command("incidents", "step", number, "look", "--done", "--evidence", "no process")
    acknowledged = [("web", "acknowledged"), ("web-tls", "triggered")]
    until(lambda: statuses(sink) == acknowledged, what="the acknowledgement at the pager")
    shown = daemon.command("incidents", "show", number)
    assert "ada" in shown
    assert "no process" in shown
    assert (
        until(lambda: daemon.metric("monitor_incidents_open", level="page", state="acknowledged"), what="metrics") == 1
    )

    nginx.start()
    gone = [("web", "resolved"), ("web-tls", "resolved")]
    until(lambda: statuses(sink) == gone, seconds=3 * INTERVAL_SECONDS, what="both resolved")
    assert [event["effect"] for event in sink.events()].count("opened") == 2
    assert daemon.stop() == 0
    assert {row["state"] for row in daemon.incidents()} == {"resolved"}


@pytest.mark.timeout(600)
def test_kill_9_at_any_moment_loses_no_page_and_makes_no_second_one(tmp_path: Path, sink: Sink, nginx: Nginx) -> None:
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    daemon = Daemon(tmp_path, settings(sink, nginx, every="200ms", failures=3, successes=3))
    daemon.start()
    kills, outages = 0, 0
    try:
        while kills < 50:
            down = (kills // 2) % 2 == 0
            nginx.stop() if down else nginx.start()
            outages += down
            for _ in range(2):
                # Not a wait for something: the moment of death, from the start of the process to some rounds of probes.
                time.sleep(chance.uniform(0.0, 2.0))
                daemon.kill()
                kills += 1
                daemon.start(ready=False)
            wanted = "triggered" if down else "resolved"
            until(
                lambda: [alert["status"] for alert in newest(sink)] == [wanted] * 2,  # noqa: B023
                seconds=30,
                what=f"{wanted} after {kills} kills (seed {seed}); the daemon's log:\n{daemon.output()[-3000:]}",
            )
        daemon.wait_ready()
        alerts = sink.alerts()
        assert len(alerts) == 2 * outages, f"seed {seed}"
        assert len({alert["dedup_key"] for alert in alerts}) == 2 * outages
        assert daemon.stop() == 0
        assert sorted(row["dedup_key"] for row in daemon.incidents()) == sorted(alert["dedup_key"] for alert in alerts)
    finally:
        daemon.kill()


def newest(sink: Sink) -> list[dict[str, Any]]:
    """The last alert of each target."""
    return list({alert["body"]["payload"]["source"]: alert for alert in sink.alerts()}.values())
