"""What a restarted daemon must know of before: the burn windows from minute sums, the grades, the open incidents."""

from __future__ import annotations

from datetime import datetime, timedelta

from alerts.correlate import Correlator
from alerts.rules import MinuteCounts
from alerts.rules.windows import BURN_WINDOWS
from monitor.clock import Clock
from monitor.store import MinuteRollup, Store
from probes.target import Target

LONGEST_WINDOW = timedelta(seconds=max(window.long_seconds for window in BURN_WINDOWS))
_SLO_WINDOW = timedelta(days=30)  # what BURN_WINDOWS are for; they scale with a target's own


async def preload(correlator: Correlator, store: Store, targets: tuple[Target, ...], region: str, clock: Clock) -> None:
    """Refill the burn windows of every target with an SLO from the minutes since its last resolved incident."""
    now, monotonic = clock.now(), clock.monotonic()
    for target in targets:
        if target.slo is None:
            continue
        since = now - LONGEST_WINDOW * max(1.0, target.slo.window / _SLO_WINDOW)
        for incident in await store.incidents(target=target.name, limit=1):
            since = max(since, incident.resolved_at or since)
        minutes = await store.minutes(target.name, region, since)
        # A minute in which the incident was still open is no evidence against the episode after it.
        counts = [_counts(minute, now, monotonic) for minute in minutes if minute.minute >= since]
        correlator.preload(target.name, counts)


def _counts(minute: MinuteRollup, now: datetime, monotonic_seconds: float) -> MinuteCounts:
    age_seconds = (now - minute.minute).total_seconds()
    return MinuteCounts(
        monotonic_seconds=monotonic_seconds - age_seconds, total=minute.total, failed=minute.failed, slow=minute.slow
    )
