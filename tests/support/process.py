"""Real servers as child processes: started on free loopback ports, ended by their own pid."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

# Debian puts daemons where a normal user's PATH does not look.
SERVER_PATH = os.environ.get("PATH", "") + os.pathsep + os.pathsep.join(["/usr/sbin", "/sbin"])


def program(name: str) -> str:
    """The full path of a program that the tests need; a clear failure, never a skip, when it is missing."""
    found = shutil.which(name, path=SERVER_PATH)
    if found is None:
        raise AssertionError(f"{name} is not installed; `make deps` installs what the tests need")
    return found


class Process:
    """A child process with its output in a file. Use as a context manager; `stop` is safe to call twice."""

    def __init__(self, argv: Sequence[str], log: Path, env: Mapping[str, str] | None = None) -> None:
        self.argv = list(argv)
        self.log = log
        with log.open("ab") as output:
            self.popen = subprocess.Popen(self.argv, stdout=output, stderr=subprocess.STDOUT, env=env)

    @property
    def pid(self) -> int:
        return self.popen.pid

    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def running(self) -> bool:
        return self.popen.poll() is None

    def kill(self) -> None:
        """SIGKILL, and wait."""
        self.popen.kill()
        self.popen.wait(10)

    def stop(self, seconds: float = 15.0) -> int:
        """SIGTERM, and SIGKILL after `seconds`; the exit code."""
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGTERM)
            try:
                self.popen.wait(seconds)
            except subprocess.TimeoutExpired:
                self.kill()
        return self.popen.returncode

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
