"""A process made as good as busy with something else: python -m benchmarks.support.busy PID BUSY_MS EVERY_MS

For BUSY_MS of every EVERY_MS the process is stopped, and its CPU time is spent here instead: it does nothing and a core
is taken, as when it computes. Only that process: its children go on. Ends with the process, with its own parent, or by
SIGTERM, and lets the process go on.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.support.process import Process


@contextmanager
def busy(pid: int, folder: Path, *, busy_ms: int = 50, every_ms: int = 200) -> Iterator[None]:
    argv = [sys.executable, "-m", "benchmarks.support.busy", str(pid), str(busy_ms), str(every_ms)]
    with Process(argv, folder / "busy.log") as process:
        try:
            yield
            if not process.running():
                raise SystemExit(f"what keeps the process busy has ended:\n{process.output()}")
        finally:
            process.stop()
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def hold(pid: int, busy_seconds: float) -> None:
    os.kill(pid, signal.SIGSTOP)
    try:
        until = time.monotonic() + busy_seconds
        while time.monotonic() < until:
            pass
    finally:
        os.kill(pid, signal.SIGCONT)


def main() -> None:
    pid, busy_seconds, every_seconds = int(sys.argv[1]), int(sys.argv[2]) / 1000, int(sys.argv[3]) / 1000
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    parent, due = os.getppid(), time.monotonic()
    with suppress(ProcessLookupError):
        while os.getppid() == parent:
            due += every_seconds
            time.sleep(max(0.0, due - time.monotonic()))
            hold(pid, busy_seconds)


if __name__ == "__main__":
    main()
