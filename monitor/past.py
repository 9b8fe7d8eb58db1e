"""What a restarted daemon must know of before: the burn windows from minute sums, the grades, the open incidents."""

from __future__ import annotations

from datetime import datetime, timedelta

from alerts.correlate import Correlator
from alerts.rules import MinuteCounts
from alerts.rules.windows import BUCKETS_IN_SHORT, BURN_WINDOWS, stretched
from monitor.clock import Clock
from monitor.store import MinuteSum, Store
from probes.options import Slo
from probes.target import Target

MOST = timedelta(days=366)  # more than any retention keeps


async def preload(correlator: Correlator, store: Store, targets: tuple[Target, ...], region: str, clock: Clock) -> None:
    """Refill the burn windows of every target with an SLO from the minutes since its last resolved incident."""
    now, monotonic = clock.now(), clock.monotonic()
    resolved = await store.last_resolved(region)
    for target in targets:
        if target.slo is None:
            continue
        fineness = _fineness(target, target.slo)
        # A minute in which the incident was still open is no evidence against the episode after it.
        since = resolved.get(target.name, now - fineness[-1][0])
        names = [name for name, _share, _seconds in target.slo.latency.objectives()]
        sums = await store.minute_sums(target.name, region, since, now, fineness, names)
        correlator.preload(target.name, [_counts(each, now, monotonic) for each in sums])


def _fineness(target: Target, slo: Slo) -> list[tuple[timedelta, timedelta]]:
    """Up to the age that each window sees, as finely as it counts: (age, time in one bucket)."""
    seconds = slo.window.total_seconds(), target.every.total_seconds()
    windows = [stretched(row, *seconds) for row in BURN_WINDOWS]
    return [
        (
            min(MOST, timedelta(seconds=window.long_seconds)),
            min(MOST, timedelta(seconds=window.short_seconds / BUCKETS_IN_SHORT)),
        )
        for window in windows
    ]


def _counts(minutes: MinuteSum, now: datetime, monotonic_seconds: float) -> MinuteCounts:
    age_seconds = (now - minutes.minute).total_seconds()
    return MinuteCounts(
        monotonic_seconds=monotonic_seconds - age_seconds,
        total=minutes.total,
        failed=minutes.failed,
        slow=minutes.slow,
        suspect=minutes.suspect,
    )
