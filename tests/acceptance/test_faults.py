"""Bad input and faults, against the daemon as a user runs it: a clear error, and nothing lost."""

from __future__ import annotations

import signal
import socket
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.acceptance.harness import MONITOR, ROUTING_KEY, Daemon, Sink, environment
from tests.support.nginx import Nginx
from tests.support.process import Process
from tests.support.wait import free_port, until


@pytest.fixture
def nginx(tmp_path: Path) -> Iterator[Nginx]:
    with Nginx(tmp_path / "nginx") as running:
        yield running


def settings(nginx: Nginx, *, events_url: str, **more: Any) -> dict[str, Any]:
    return {
        "pagerduty": {"events_url": events_url, "routes": {"default": {"routing_key": "env:PD_KEY"}}},
        "defaults": {
            "every": "500ms",
            "outage": {"failures": 2, "for": "0s"},
            "recovery": {"successes": 2, "for": "0s"},
        },
        "targets": [{"name": "web", "url": nginx.http_url, "runbook": "runbook.md"}],
        **more,
    }


@pytest.fixture
def daemon(tmp_path: Path, nginx: Nginx) -> Iterator[Daemon]:
    made = Daemon(tmp_path, settings(nginx, events_url=f"http://127.0.0.1:{free_port()}"))
    yield made
    made.kill()


def ended_with(daemon: Daemon, code: int) -> str:
    process = daemon.start(ready=False)
    until(lambda: not process.running(), seconds=30, what="the daemon's end")
    assert process.popen.returncode == code, daemon.output()
    assert "Traceback" not in daemon.output()
    return daemon.output()


def test_a_port_in_use_is_refused_before_anything_starts(daemon: Daemon) -> None:
    with socket.create_server(("127.0.0.1", daemon.port)):
        said = ended_with(daemon, 2)
    assert f"127.0.0.1:{daemon.port}" in said
    assert "another program listens there" in said
    assert not daemon.data.exists()


def test_an_unusable_database_is_refused(daemon: Daemon) -> None:
    daemon.data.mkdir()
    (daemon.data / "monitor.sqlite").write_bytes(b"this is no database" * 100)
    said = ended_with(daemon, 2)
    assert str(daemon.data / "monitor.sqlite") in said
    assert "restore a backup" in said


def test_a_second_daemon_on_the_same_data_is_refused(daemon: Daemon, tmp_path: Path) -> None:
    daemon.start()
    other = Daemon(tmp_path, yaml.safe_load(daemon.config.read_text()))
    other.log = tmp_path / "other.log"
    assert "another daemon" in ended_with(other, 2)
    assert daemon.ready()


def test_a_missing_secret_names_the_variable(daemon: Daemon) -> None:
    document = yaml.safe_load(daemon.config.read_text())
    document["pagerduty"]["routes"]["default"]["routing_key"] = "env:NOT_SET"
    daemon.configure(document)
    said = ended_with(daemon, 2)
    assert f"{daemon.config}:" in said
    assert "NOT_SET" in said


def test_a_page_waits_while_the_pager_is_down_and_over_a_crash(daemon: Daemon, nginx: Nginx, tmp_path: Path) -> None:
    daemon.start()
    nginx.stop()
    until(lambda: (daemon.metric("monitor_outbox_pending") or 0) == 1, what="a page in the outbox")
    daemon.kill()
    with Sink(tmp_path) as sink:
        document = yaml.safe_load(daemon.config.read_text())
        document["pagerduty"]["events_url"] = sink.url
        daemon.configure(document)
        daemon.start()
        until(lambda: len(sink.alerts()) == 1, seconds=20, what="the page")
        until(lambda: daemon.metric("monitor_outbox_pending") == 0, what="an empty outbox")


def test_a_bad_file_keeps_the_old_settings_and_a_good_one_is_taken(daemon: Daemon, nginx: Nginx) -> None:
    process = daemon.start()
    good = daemon.config.read_text()
    daemon.config.write_text(good.replace("every: 500ms", "every: often"))
    process.popen.send_signal(signal.SIGHUP)
    until(lambda: daemon.metric("monitor_config_last_reload_successful") == 0, what="the failed reload")
    assert "is not a duration" in daemon.output()
    refused = httpx.post(f"{daemon.url}/-/reload")
    assert refused.status_code == 400
    assert f"{daemon.config}:" in refused.text
    assert daemon.ready()

    document = yaml.safe_load(good)
    document["targets"].append({"name": "second", "url": nginx.https_url, "tls": {"ca_file": str(nginx.ca_file)}})
    daemon.configure(document)
    process.popen.send_signal(signal.SIGHUP)
    until(lambda: daemon.metric("probe_success", target="second") == 1, what="a probe of the new target")
    document["targets"].pop(0)
    daemon.configure(document)
    assert httpx.post(f"{daemon.url}/-/reload").status_code == 200
    until(lambda: daemon.metric("probe_success", target="web") is None, what="the removed target's end")


def test_a_removed_target_has_its_incident_closed(tmp_path: Path, daemon: Daemon, nginx: Nginx) -> None:
    with Sink(tmp_path) as sink:
        document = settings(nginx, events_url=sink.url)
        document["targets"].append({"name": "gone", "url": f"http://127.0.0.1:{free_port()}/"})
        daemon.configure(document)
        daemon.start()
        until(lambda: [alert["status"] for alert in sink.alerts()] == ["triggered"], what="the page")
        document["targets"].pop()
        daemon.configure(document)
        assert httpx.post(f"{daemon.url}/-/reload").status_code == 200
        until(lambda: [alert["status"] for alert in sink.alerts()] == ["resolved"], what="its end")


def test_an_incident_resolved_by_hand_pages_anew_when_the_trouble_goes_on(tmp_path: Path, daemon: Daemon) -> None:
    with Sink(tmp_path) as sink:
        document = yaml.safe_load(daemon.config.read_text())
        document["pagerduty"]["events_url"] = sink.url
        document["targets"] = [{"name": "web", "url": f"http://127.0.0.1:{free_port()}/"}]
        daemon.configure(document)
        daemon.start()
        until(lambda: len(sink.alerts()) == 1, what="the page")
        daemon.command("incidents", "resolve", "1", "--reason", "looked fine")
        statuses = ["resolved", "triggered"]
        until(lambda: [alert["status"] for alert in sink.alerts()] == statuses, what="the next episode's page")


def test_sigterm_loses_no_result(daemon: Daemon, nginx: Nginx) -> None:
    daemon.start()
    until(lambda: nginx.served() >= 5, what="some probes")
    assert daemon.stop() == 0
    with sqlite3.connect(daemon.data / "monitor.sqlite") as store:
        (written,) = store.execute("SELECT count(*) FROM results").fetchone()
    store.close()
    assert written == nginx.served()


def test_a_list_of_urls_needs_no_settings_file(tmp_path: Path, nginx: Nginx) -> None:
    targets = tmp_path / "urls.txt"
    targets.write_text(f"# mine\n{nginx.http_url}/\n\n{nginx.https_url}/json\n")
    port, data = free_port(), tmp_path / "kept"
    argv = [MONITOR, "run", "--targets", str(targets), "--every", "500ms", "--ca-file", str(nginx.ca_file)]
    with Process(
        [*argv, "--listen", f"127.0.0.1:{port}", "--data", str(data)],
        tmp_path / "log",
        environment(MONITOR_DEFAULTS__OUTAGE__FOR="0s"),
    ):

        def both() -> bool:
            try:
                text = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text
            except httpx.TransportError:
                return False
            return sum(line.startswith("probe_success{") and line.endswith(" 1") for line in text.splitlines()) == 2

        until(both, seconds=60, what="a good probe of both")
        nginx.stop()
        until((data / "pages.jsonl").exists, seconds=60, what="pages in the file")


def test_no_secret_reaches_any_surface(tmp_path: Path, nginx: Nginx) -> None:
    """The key is refused by the pager, the token by the service: what they say about it must stay in memory."""
    token = "tok-S3CR3T-of-the-header-99"
    document = settings(nginx, events_url=f"http://127.0.0.1:{free_port()}")
    document["logs"] = {"level": "debug"}
    secret_target = {"headers": {"Authorization": "env:API_TOKEN"}, "expect": {"status": [201]}}
    document["targets"] = [{"name": "web", "url": nginx.http_url, "runbook": "runbook.md", **secret_target}]
    daemon = Daemon(tmp_path, document)
    try:
        daemon.start(API_TOKEN=token)
        until(lambda: (daemon.metric("monitor_outbox_pending") or 0) == 1, what="a page that cannot be sent")
        broken = daemon.config.read_text() + f"\nregion: [{token}\n"
        daemon.config.write_text(broken)
        answer = httpx.post(f"{daemon.url}/-/reload").text
        paths = ("", "metrics", "-/ready", "incidents/1", "incidents/x", "nothing")
        pages = [httpx.get(f"{daemon.url}/{path}", trust_env=False).text for path in paths]
        shown = daemon.command("incidents", "show", "1", "--format", "json")
        daemon.stop()
        stored = b"".join(file.read_bytes() for file in daemon.data.iterdir() if file.is_file())
        everything = "\n".join([answer, *pages, shown, daemon.output(), stored.decode(errors="replace")])
        assert "page not taken" in daemon.output()
        for secret in (ROUTING_KEY, token):
            assert secret not in everything
    finally:
        daemon.kill()
