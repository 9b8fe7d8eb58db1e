"""Numbers in the words of a verdict."""

from __future__ import annotations

import math
from datetime import timedelta

from probes.quantity import format_duration

# From this length on, as fine as this, in seconds: days to the hour, minutes to the second.
_FINEST = ((86400.0, 3600.0), (3600.0, 60.0), (10.0, 1.0), (1.0, 0.1), (-math.inf, 0.001))


def span(seconds: float) -> str:
    """What was measured: `90.04` is `1m30s`; no finer than people ask for at that length."""
    unit = next(unit for least, unit in _FINEST if seconds >= least)
    rounded = round(seconds / unit) * unit
    return f"{rounded:.2g}s" if 1 <= rounded < 10 else format_duration(timedelta(seconds=rounded))


def exactly(seconds: float) -> str:
    """A setting, as the user wrote it."""
    return format_duration(timedelta(seconds=seconds))


def share(part: float) -> str:
    """`0.0144` is `1.44%`."""
    return f"{part * 100:.4g}%"
