"""Numbers in the words of a verdict."""

from __future__ import annotations

from datetime import timedelta

from probes.quantity import format_duration


def span(seconds: float) -> str:
    """`90.0` is `1m30s`; to the second when it is longer than ten."""
    return format_duration(timedelta(seconds=round(seconds) if seconds > 10 else round(seconds, 1)))


def share(part: float) -> str:
    """`0.0144` is `1.44%`."""
    return f"{part * 100:.4g}%"
