"""The stamping server as a child process, and its records."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tests.support.process import Process
from tests.support.wait import free_port, listening, until

CLOCK_STEP_SECONDS = 0.001


@dataclass(frozen=True, slots=True)
class Record:
    """One request as the kernel saw it, in nanoseconds of the wall clock. `departed_ns` is None when the client had
    gone; `body` is that of a POST."""

    path: str
    status: int
    arrived_ns: int
    departed_ns: int | None
    body: str | None

    @property
    def took_seconds(self) -> float:
        """From the request's arrival to the answer's departure."""
        assert self.departed_ns is not None
        return (self.departed_ns - self.arrived_ns) / 1e9


class StampingServer:
    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = folder / "records.jsonl"
        self.port = free_port()
        self.base = f"http://127.0.0.1:{self.port}"
        argv = [sys.executable, "-m", "benchmarks.support.stamping_server", str(self.port), str(self._file)]
        self.process = Process(argv, folder / "server.log")
        self._wall_offset = time.time() - time.monotonic()
        until(lambda: listening(self.port), what=f"the stamping server: {self.process.output()}")

    def url(self, name: str, *, sleep_ms: int = 0, body_ms: int = 0, fails_from: float = 0.0) -> str:
        """`body_ms`: how long after the head the body comes. `fails_from`: the unix time from which on it answers 503;
        0: never."""
        return f"{self.base}/{sleep_ms}/{body_ms}/{fails_from * 1000:.0f}/{name}"

    def stop(self) -> list[Record]:
        """Everything that was asked, in the order of the answers."""
        code = self.process.stop()
        if code != 0:
            raise SystemExit(f"the stamping server ended with {code}:\n{self.process.output()}")
        stepped = time.time() - time.monotonic() - self._wall_offset
        if abs(stepped) > CLOCK_STEP_SECONDS:
            raise SystemExit(f"the wall clock was set by {stepped * 1000:.1f} ms meanwhile: measure again")
        records = [Record(*json.loads(line)) for line in self._file.read_text().splitlines()]
        unstamped = sum(record.arrived_ns is None for record in records)
        if unstamped:
            raise SystemExit(f"{unstamped} of {len(records)} requests came without the kernel's stamp")
        return records

    def __enter__(self) -> StampingServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.stop()
