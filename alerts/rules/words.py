"""Numbers in the words of a verdict."""

from __future__ import annotations

from datetime import timedelta

from probes.quantity import format_duration


def span(seconds: float) -> str:
    """`90.0` is `1m30s`; to the second when it is longer than ten, to the millisecond when it is shorter."""
    return format_duration(timedelta(seconds=round(seconds, 0 if seconds > 10 else 3)))


def share(part: float) -> str:
    """`0.0144` is `1.44%`."""
    return f"{part * 100:.4g}%"
