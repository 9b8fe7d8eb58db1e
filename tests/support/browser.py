"""Debian's chromium without a window: what a person would see of a page."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Seen:
    """The document after chromium parsed it, and what its console says: refused styles, failed loads."""

    document: str
    console: list[str]


def open_page(url: str, profile: Path) -> Seen:
    finished = _chromium(url, profile, "--dump-dom", "--enable-logging=stderr")
    return Seen(finished.stdout, [line for line in finished.stderr.splitlines() if "CONSOLE" in line])


def _chromium(url: str, profile: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    argv = [program("chromium"), *_FLAGS, f"--user-data-dir={profile}", *flags, url]
    finished = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert finished.returncode == 0, finished.stderr
    return finished
