"""What a user gets from a package index: the built wheel, in an environment that holds nothing else."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
WHEELS = Path(sys.prefix) / "wheels"


def run(*argv: str | Path, cwd: Path, seconds: float = 300) -> str:
    done = subprocess.run(
        [str(word) for word in argv], check=False, capture_output=True, text=True, timeout=seconds, cwd=cwd
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.timeout(600)
def test_the_wheel_installs_into_an_empty_environment_and_the_demo_works_there(tmp_path: Path) -> None:
    assert WHEELS.is_dir(), "the wheels of the dependencies are not there; `make deps` fetches them"
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path, ROOT, cwd=tmp_path)
    (wheel,) = tmp_path.glob("*.whl")
    environment = tmp_path / "empty"
    venv.create(environment, with_pip=True)
    pip = [environment / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    run(*pip, "--no-index", "--find-links", WHEELS, wheel, cwd=tmp_path)
    monitor = environment / "bin" / "monitor"
    assert "tls-grade" in run(monitor, "--help", cwd=tmp_path)
    told = run(monitor, "demo", cwd=tmp_path, seconds=180)
    for stage in ("healthy", "degrading", "page raised", "answered", "recovered", "resolved", "ended"):
        assert f"✔ {stage}" in told
