"""What a probe is given besides its target, and the signature that every probe has."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from probes.engine.exchange import Span, Step
from probes.result import ProbeResult
from probes.target import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeContext:
    """`region` is where the probe runs; `late_seconds` is how late the schedule started it, `reprobe` that it did so
    beside the due times, because the target fails."""

    region: str
    late_seconds: float = 0.0
    reprobe: bool = False
    steps: list[Step] | None = None  # a list: the probe adds each of its steps, for somebody who watches
    spans: list[Span] | None = None  # a list: the probe adds each phase with its time, for a waterfall


Probe = Callable[[Target, ProbeContext], Awaitable[ProbeResult]]
"""Measure the target once. Never raises for what a network or a server does: that is a result with a Failure.
Ends within `target.timeout`, a total deadline for the whole probe, and in bounded memory."""
