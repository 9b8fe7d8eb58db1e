from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from monitor.errors import UserError
from monitor.lock import only_daemon_of

HOLD = """
import pathlib, sys
from monitor.lock import only_daemon_of
with only_daemon_of(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_the_folder_is_made_for_its_owner_alone_and_is_free_again_afterwards(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "data"
    for _ in range(2):
        with only_daemon_of(folder):
            assert folder.stat().st_mode & 0o777 == 0o700


def test_a_second_daemon_is_told_which_process_holds_the_folder(tmp_path: Path) -> None:
    with (
        only_daemon_of(tmp_path),
        pytest.raises(UserError, match=rf"process {os.getpid()}.*--data"),
        only_daemon_of(tmp_path),
    ):
        pass


def test_a_killed_daemon_leaves_the_folder_free(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(UserError), only_daemon_of(tmp_path):
            pass
        holder.kill()
        holder.wait(10)
    with only_daemon_of(tmp_path):
        pass


def test_a_folder_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"file/data: .*; name a folder"), only_daemon_of(tmp_path / "file" / "data"):
        pass
