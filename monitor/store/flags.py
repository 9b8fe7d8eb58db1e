"""What a raw result says of how it was made, in one small number: the bits of `results.flags`."""

from __future__ import annotations

from probes.result import Clock, ProbeResult

REPROBE = 1
SUSPECT = 2
KERNEL_CLOCK = 4


def flags_of(result: ProbeResult) -> int:
    return (
        (REPROBE if result.reprobe else 0)
        | (SUSPECT if result.suspect else 0)
        | (KERNEL_CLOCK if result.clock is Clock.KERNEL else 0)
    )
