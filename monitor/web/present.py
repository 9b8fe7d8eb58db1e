"""What is known, as people read it. Pure: values in, text and SVG coordinates out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from monitor.live import LatencySample

WIDTH, HEIGHT, EDGE = 120, 24, 2
_AGES = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def latency(seconds: float | None) -> str:
    """`87 ms`, `1.24 s`; a dash for nothing."""
    if seconds is None:
        return "–"
    if seconds < 0.001:
        return "<1 ms"
    return f"{seconds * 1000:.0f} ms" if seconds < 0.9995 else f"{seconds:.2f} s"


def span(seconds: float) -> str:
    """A duration in its largest unit, rounded down: `12 min`, `3 d`."""
    for size, unit in _AGES:
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return "0 s"


def ago(then: datetime, now: datetime) -> str:
    """How long ago; a time that has not come (the wall clock was set back) is `just now`."""
    seconds = (now - then).total_seconds()
    return f"{span(seconds)} ago" if seconds >= 1 else "just now"


def until(then: datetime, now: datetime) -> str:
    """`in 20 d`, or `expired 2 h ago`."""
    seconds = (then - now).total_seconds()
    return f"in {span(seconds)}" if seconds > 0 else f"expired {ago(then, now)}"


def utc(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S UTC")


def shown_url(url: str) -> str:
    """The address without user and query, where tokens are kept."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sparkline:
    """`lines` are the points of polylines: good probes in a row. `failures` are x positions. `label` is it in words."""

    lines: tuple[str, ...]
    failures: tuple[str, ...]
    label: str


def sparkline(samples: Sequence[LatencySample]) -> Sparkline | None:
    """The newest sample stands at the right; None without samples."""
    if not samples:
        return None
    good = [sample.duration_seconds for sample in samples if sample.ok]
    top = max(good, default=0.0) or 1.0
    step = (WIDTH - 2 * EDGE) / max(1, len(samples) - 1)
    lines: list[list[str]] = [[]]
    failures = []
    for i, sample in enumerate(samples):
        x = WIDTH - EDGE - (len(samples) - 1 - i) * step
        if sample.ok:
            y = HEIGHT - EDGE - sample.duration_seconds / top * (HEIGHT - 2 * EDGE)
            lines[-1].append(f"{x:.1f},{y:.1f}")
        else:
            failures.append(f"{x:.1f}")
            lines.append([])
    return Sparkline(
        lines=tuple(" ".join(_visible(line)) for line in lines if line),
        failures=tuple(failures),
        label=_label(good, len(failures)),
    )


def _visible(line: list[str]) -> list[str]:
    """A line of one point would not be drawn; twice the same point, with round ends, is a dot."""
    return line * 2 if len(line) == 1 else line


def _label(good: Sequence[float], failed: int) -> str:
    parts = [f"last {len(good) + failed} probes"]
    if good:
        parts.append(f"{latency(min(good))} to {latency(max(good))}")
    if failed:
        parts.append(f"{failed} failed")
    return ", ".join(parts)
