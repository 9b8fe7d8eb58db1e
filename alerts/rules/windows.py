"""The windows of a burn rate, as data, and how they fit a service objective and a probe interval.

Source: Google, The Site Reliability Workbook, chapter 5, "Multiwindow, multi-burn-rate alerts" (the rows of 1 h, 6 h
and 3 d); the row of 1 d is the one that sloth adds. A burn rate of 1 spends the whole error budget in exactly the
objective's window; `factor * long / 30 d` is the share of the budget that is spent when the alarm is raised.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

from alerts.verdict import Level

_MINUTE, _HOUR, _DAY = 60.0, 3600.0, 86400.0

# The table is made for an objective over 30 days.
STANDARD_SECONDS = 30 * _DAY

# A short window must hold some results, or one good answer to a rare probe would end an alarm.
LEAST_INTERVALS_IN_SHORT = 5


BUCKETS_IN_SHORT = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class BurnWindow:
    """Holds while the burn rate is at least `factor` over both windows: the long one proves, the short one ends it.

    `bucket_seconds` is how finely the windows move on; 0 until the row is fitted to a target.
    """

    long_seconds: float
    short_seconds: float
    factor: float
    level: Level
    bucket_seconds: float = 0.0


BURN_WINDOWS = (
    BurnWindow(long_seconds=1 * _HOUR, short_seconds=5 * _MINUTE, factor=14.4, level=Level.PAGE),  # 2 % of the budget
    BurnWindow(long_seconds=6 * _HOUR, short_seconds=30 * _MINUTE, factor=6.0, level=Level.PAGE),  # 5 %
    BurnWindow(long_seconds=1 * _DAY, short_seconds=2 * _HOUR, factor=3.0, level=Level.TICKET),  # 10 %
    BurnWindow(long_seconds=3 * _DAY, short_seconds=6 * _HOUR, factor=1.0, level=Level.TICKET),  # 10 %
)


def stretched(row: BurnWindow, slo_seconds: float, every_seconds: float) -> BurnWindow:
    """A row of the table for an objective over `slo_seconds` and a probe every so often."""
    stretch = max(slo_seconds / STANDARD_SECONDS, LEAST_INTERVALS_IN_SHORT * every_seconds / row.short_seconds)
    return replace(row, long_seconds=row.long_seconds * stretch, short_seconds=row.short_seconds * stretch)


@lru_cache(maxsize=256)  # targets share their settings, and the rows they make
def fitted(budget: float, slo_seconds: float, every_seconds: float) -> tuple[BurnWindow, ...]:
    """The table for one objective.

    `budget` is the share of events that may be bad. Windows scale with the objective's own, so that each row still
    stands for the same share of the budget; rows are stretched for a rare probe until the short window holds
    LEAST_INTERVALS_IN_SHORT intervals. A row whose factor even a total failure does not reach is left out: 14.4
    times a budget of 10 % would need 144 % of bad events.
    """
    rows: list[BurnWindow] = []
    for row in BURN_WINDOWS:
        if row.factor * budget > 1:
            continue
        window = stretched(row, slo_seconds, every_seconds)
        bucket_seconds = window.short_seconds / BUCKETS_IN_SHORT
        finest = rows[0].bucket_seconds if rows else bucket_seconds
        # A whole number of the first row's: what shares a bucket there shares one in every row.
        rows.append(replace(window, bucket_seconds=finest * max(1, int(bucket_seconds / finest + 1e-6))))
    return tuple(rows)
