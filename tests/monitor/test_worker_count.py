"""Cores, and the workers that follow from them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from monitor import assembly
from monitor.settings import settings_of_target_list
from probes.engine.cores import usable_cores

CORES = len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("text", "cores"),
    [
        ("max 100000", CORES),
        ("50000 100000", 1),
        ("100000 100000", 1),
        ("6400000 100000", CORES),
        ("", CORES),
        ("x y", CORES),
    ],
)
def test_the_limit_of_a_container_counts(tmp_path: Path, text: str, cores: int) -> None:
    file = tmp_path / "cpu.max"
    file.write_text(text)
    assert usable_cores(file) == cores
    assert usable_cores(tmp_path / "none") == CORES


@pytest.mark.parametrize(
    ("scheme", "targets", "every", "workers"),
    [
        ("http", 1, "10s", 1),
        ("http", 1000, "1s", 1),
        ("http", 1251, "1s", 2),
        ("https", 250, "1s", 1),
        ("https", 251, "1s", 2),
        ("https", 1000, "1s", 4),
        ("https", 1000, "100ms", 8),
    ],
)
def test_workers_follow_the_load_up_to_the_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheme: str, targets: int, every: str, workers: int
) -> None:
    monkeypatch.setattr(assembly, "usable_cores", lambda: 8)
    listed = tmp_path / "urls"
    listed.write_text("".join(f"{scheme}://127.0.0.1/{number}\n" for number in range(targets)))
    settings = settings_of_target_list(listed, every=every, environ={})
    assert assembly.worker_count(settings) == workers
    given = settings_of_target_list(listed, every=every, environ={"MONITOR_WORKERS": "3"})
    assert assembly.worker_count(given) == 3
