"""What every command does."""

from __future__ import annotations

import subprocess
import sys

import pytest

# What no input is known to do to a command: fail in a way that it did not foresee, with a secret in its words.
PROGRAM = """
import monitor.cli, monitor.logs, monitor.redact, sys

def fails():
    raise LookupError("no such key: hunter2hunter2")

monitor.redact.register_secret("hunter2hunter2")
if "json" in sys.argv:
    monitor.logs.configure_logs(format="json")
monitor.cli.app = fails
monitor.cli.main()
"""


@pytest.mark.parametrize("format", ["console", "json"])
def test_an_error_of_ours_is_exit_2_and_keeps_secrets(format: str) -> None:
    command = [sys.executable, "-c", PROGRAM, format]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "LookupError: no such key: ***" in ended.stderr
    assert "hunter2" not in ended.stderr
    assert ended.stderr.startswith("{") is (format == "json")
