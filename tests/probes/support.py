"""Short ways to a target and a probe of it."""

from __future__ import annotations

from typing import Any

from probes import PROBES
from probes.context import ProbeContext
from probes.result import FailureReason, ProbeResult
from probes.target import Target

CONTEXT = ProbeContext(region="test")


def target(url: str, **options: Any) -> Target:
    return Target(**{"name": "t", "url": url, **options})


async def probe(url: str, **options: Any) -> ProbeResult:
    asked = target(url, **options)
    return await PROBES[asked.kind](asked, CONTEXT)


def reason(result: ProbeResult) -> FailureReason | None:
    return result.failure.reason if result.failure else None


def detail(result: ProbeResult) -> str:
    assert result.failure is not None
    return result.failure.detail
