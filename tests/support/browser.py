"""Debian's chromium without a window: what a person would see of a page."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.support.process import program

_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
    "--no-first-run",
    "--hide-scrollbars",
)


def screenshot(url: str, png: Path, *, width: int = 1200, height: int = 900, dark: bool = False) -> None:
    """The page as it stands in a window of that size."""
    flags = [f"--screenshot={png}", f"--window-size={width},{height}"]
    if dark:
        flags.append("--blink-settings=preferredColorScheme=0")
    _chromium(url, png.parent / f"{png.stem}-profile", *flags)


def rendered(url: str, profile: Path) -> str:
    """The document after chromium has parsed it and run whatever it would run."""
    return _chromium(url, profile, "--dump-dom")


def _chromium(url: str, profile: Path, *flags: str) -> str:
    argv = [program("chromium"), *_FLAGS, f"--user-data-dir={profile}", *flags, url]
    finished = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout
