"""What processes cost, as the kernel counts it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


def family(pid: int) -> list[int]:
    """The process and its descendants."""
    found = [pid]
    for process in found:
        with suppress(FileNotFoundError, ProcessLookupError):  # it ended meanwhile
            for task in Path(f"/proc/{process}/task").iterdir():
                found += map(int, (task / "children").read_text().split())
    return found


def cpu_seconds(pid: int) -> float:
    """User and system time of a running process, and of its children that have ended."""
    # Its CPU clock (clock_getcpuclockid(3)) counts nanoseconds, /proc/PID/stat only ticks of 10 ms.
    running = time.clock_gettime((~pid << 3) | 2)
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return running + (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


def family_cpu_seconds(pid: int) -> float:
    """User and system time of the process and of all its descendants, those that have ended included."""
    total = 0.0
    for process in family(pid):
        with suppress(OSError):  # it ended meanwhile: its parent counts it
            total += cpu_seconds(process)
    return total


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Resident bytes of some processes. `resident_bytes` counts a page that two of them share twice,
    `proportional_bytes` once: to each process its share (RSS and PSS)."""

    processes: int
    resident_bytes: int
    proportional_bytes: int


def memory(pids: Iterable[int]) -> Memory:
    resident = proportional = count = 0
    for pid in pids:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        kib = {line.split(":")[0]: int(line.split()[1]) for line in lines if line.endswith(" kB")}
        resident += kib["Rss"] * 1024
        proportional += kib["Pss"] * 1024
        count += 1
    return Memory(processes=count, resident_bytes=resident, proportional_bytes=proportional)


class Elsewhere:
    """How much of the machine's CPU others take meanwhile, the hypervisor included: what a figure is worth."""

    def __init__(self) -> None:
        self._began = self._seconds()

    @staticmethod
    def _seconds() -> tuple[float, float]:
        """(of all CPUs, idle or not; of those, busy with what is not this process or a descendant)."""
        user, nice, system, idle, iowait, irq, softirq, steal = (
            int(ticks) / os.sysconf("SC_CLK_TCK") for ticks in Path("/proc/stat").read_text().split()[1:9]
        )
        taken = user + nice + system + irq + softirq + steal
        return taken + idle + iowait, taken - family_cpu_seconds(os.getpid())

    def share(self) -> float:
        """Since it was made."""
        (all_then, taken_then), (all_now, taken_now) = self._began, self._seconds()
        return max(0.0, taken_now - taken_then) / (all_now - all_then)
