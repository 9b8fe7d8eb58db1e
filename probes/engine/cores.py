"""How much of this machine is ours."""

from __future__ import annotations

import os
from pathlib import Path

CPU_MAX = Path("/sys/fs/cgroup/cpu.max")


def usable_cores(cpu_max: Path = CPU_MAX) -> int:
    """Cores that this process may run on, at most what a container's limit (cgroup v2) comes to, rounded up."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = cpu_max.read_text().split()
        limit = -(-int(quota) // int(period))
    except (OSError, ValueError):  # no such limit: "max"
        return cores
    return max(1, min(cores, limit))
