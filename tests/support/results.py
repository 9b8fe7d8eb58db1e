"""Results as a probe gives them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from probes.result import ProbeResult

MIDNIGHT = datetime(2026, 1, 1, tzinfo=UTC)


def result_at(at: datetime, **changes: Any) -> ProbeResult:
    """A good result of the target `api` in `eu` that began at `at` and took 0.1 s."""
    probed = ProbeResult(
        target="api",
        region="eu",
        kind="http",
        started_at=at,
        monotonic_seconds=(at - MIDNIGHT).total_seconds(),
        duration_seconds=0.1,
    )
    return replace(probed, **changes)
