"""The real daemon, as a user starts it, and what it kept."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx

from benchmarks.support.processes import family, family_cpu_seconds
from monitor.store import open_store
from monitor.store.address import sqlite_url
from monitor.store.results import RawResult
from tests.acceptance.harness import environment
from tests.support.process import Process, program
from tests.support.wait import free_port, until

START_SECONDS = 120.0


class Daemon:
    """`monitor run` with a data folder and a port of its own. Use as a context manager; ended by its pid."""

    def __init__(self, folder: Path, *arguments: str, core: int | None = None, workers: int = 1) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.data = folder / "data"
        self.url = f"http://127.0.0.1:{free_port()}"
        bound = [program("taskset"), "-c", str(core)] if core is not None else []
        self._argv = [*bound, sys.executable, "-m", "monitor", "run", *arguments]
        self._argv += ["--listen", self.url.removeprefix("http://"), "--data", str(self.data)]
        self._environment = environment(MONITOR_WORKERS=str(workers))
        self._log = folder / "daemon.log"
        self._process: Process | None = None

    def __enter__(self) -> Daemon:
        self._process = Process(self._argv, self._log, self._environment)
        try:
            until(self._ready, seconds=START_SECONDS, what="the daemon's readiness")
        except BaseException:
            self._process.stop(1)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.stop(60)

    def _ready(self) -> bool:
        assert self._process is not None
        if not self._process.running():
            raise SystemExit(f"the daemon ended:\n{self._process.output()}")
        try:
            return httpx.get(f"{self.url}/-/ready", trust_env=False).status_code == 200
        except httpx.TransportError:
            return False

    @property
    def pid(self) -> int:
        """Of the parent, which judges, stores and serves; the probe workers are its children."""
        assert self._process is not None
        return self._process.pid

    def family(self) -> list[int]:
        return family(self.pid)

    def cpu_seconds(self) -> float:
        """Of the whole daemon: the parent and all its children."""
        return family_cpu_seconds(self.pid)

    def series(self, name: str) -> float:
        """The sum of a metric's series."""
        lines = httpx.get(f"{self.url}/metrics", timeout=30, trust_env=False).text.splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.split("{")[0].split(" ")[0] == name)

    def results(self) -> list[RawResult]:
        """What the store holds, newest first; complete once the daemon has ended."""

        async def read() -> list[RawResult]:
            store = await open_store(sqlite_url(self.data / "monitor.sqlite"), create=False)
            try:
                return await store.results(limit=sys.maxsize)
            finally:
                await store.close()

        return asyncio.run(read())


def target_list(file: Path, urls: Sequence[str]) -> str:
    """A file for `--targets`; a target's name is its address."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(f"{url}\n" for url in urls))
    return str(file)


def settings_file(file: Path, settings: dict[str, Any]) -> str:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(settings))  # JSON is YAML
    return str(file)
