"""Probes with faults of their own, for the worker to live with."""

from __future__ import annotations

import asyncio

from probes.context import ProbeContext
from probes.result import ProbeResult
from probes.target import Target


async def probe(target: Target, context: ProbeContext) -> ProbeResult:
    if target.name == "hangs":
        await asyncio.Event().wait()
    raise ZeroDivisionError(f"while probing {target.name} from {context.region}")
