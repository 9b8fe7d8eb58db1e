"""The real daemon, as a user starts it: the `monitor` command, a settings file, and a pager sink to read back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.support.process import Process
from tests.support.wait import free_port, until

MONITOR = str(Path(sys.executable).with_name("monitor"))
ROUTING_KEY = "R0UT1NGKEYR0UT1NGKEYR0UT1NGKEY42"  # 32 characters, as PagerDuty's are; known to the redaction tests
RUNBOOK = """# What to do when it is down

## Mitigation
- [ ] **Look at the log** `id=look`
- [ ] **Start it again** `id=start` `needs=look`
"""


def environment(**extra: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MONITOR_")}
    return {**kept, "PD_KEY": ROUTING_KEY, **extra}


class Daemon:
    """`start`, `kill` and `stop` may follow each other: data folder, port and settings stay."""

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        self.folder = folder
        self.port = free_port()
        self.config = folder / "monitor.yaml"
        self.data = folder / "data"
        self.log = folder / "daemon.log"
        self.process: Process | None = None
        (folder / "runbook.md").write_text(RUNBOOK)
        self.configure(settings)

    def configure(self, settings: Mapping[str, Any]) -> None:
        self.config.write_text(yaml.safe_dump(dict(settings)))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, *, ready: bool = True, **extra_environment: str) -> Process:
        argv = [MONITOR, "run", "-c", str(self.config), "--listen", f"127.0.0.1:{self.port}", "--data", str(self.data)]
        self.process = Process(argv, self.log, environment(**extra_environment))
        if ready:
            self.wait_ready()
        return self.process

    def wait_ready(self) -> None:
        try:
            until(self.ready, seconds=60, what="the daemon's readiness")
        except AssertionError as late:
            raise AssertionError(f"{late}\n{self.output()}") from None

    def ready(self) -> bool:
        assert self.process is not None
        if not self.process.running():
            raise AssertionError(f"the daemon ended:\n{self.output()}")
        try:
            return httpx.get(f"{self.url}/-/ready", trust_env=False).status_code == 200
        except httpx.TransportError:
            return False

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()

    def stop(self) -> int:
        assert self.process is not None
        return self.process.stop(30)

    def output(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def metric(self, name: str, **labels: str) -> float | None:
        """The value of the first series that has these labels, from /metrics."""
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        for line in httpx.get(f"{self.url}/metrics", trust_env=False).text.splitlines():
            series, _, value = line.rpartition(" ")
            if series.split("{")[0] == name and all(label in series for label in wanted):
                return float(value)
        return None

    def command(self, *arguments: str, code: int = 0, **extra_environment: str) -> str:
        """Run another `monitor` command on this daemon's store; its standard output."""
        environ = environment(MONITOR_DATA=str(self.data), MONITOR_ACTOR="ada", **extra_environment)
        done = subprocess.run(
            [MONITOR, *arguments], check=False, capture_output=True, text=True, timeout=60, env=environ
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    def incidents(self) -> list[dict[str, Any]]:
        found = json.loads(self.command("incidents", "list", "--all", "--format", "json"))
        rows: list[dict[str, Any]] = found["incidents"] if isinstance(found, dict) else found
        return rows


class Sink:
    """`monitor pager sink` in a process of its own, read back over HTTP."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        argv = [MONITOR, "pager", "sink", "--listen", f"127.0.0.1:{self.port}"]
        self.process = Process(argv, folder / "sink.log", environment())
        until(self._answers, seconds=20, what="the sink")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/alerts", trust_env=False).status_code == 200
        except httpx.TransportError:
            return False

    def alerts(self) -> list[dict[str, Any]]:
        return self._get("alerts")

    def events(self) -> list[dict[str, Any]]:
        return self._get("events")

    def _get(self, what: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = httpx.get(f"{self.url}/{what}", trust_env=False).json()[what]
        return found

    def __enter__(self) -> Sink:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.stop()
