"""How benchmarks tell what they measured: a table on the standard output, progress on the standard error."""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.support.processes import Elsewhere

OTHERS = "others: the share of the machine's CPU that went elsewhere; above a few percent, measure again"


def machine(elsewhere: Elsewhere) -> str:
    """The line without which no figure means anything. `elsewhere` was made when the measuring began."""
    models = [line.partition(": ")[2] for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    return (
        f"{len(os.sched_getaffinity(0))} cores ({models[0] if models else platform.machine()}), "
        f"Linux {platform.release()}, {platform.python_implementation()} {platform.python_version()}, "
        f"{time.strftime('%Y-%m-%d %H:%M')}, others took {elsewhere.share():.0%} of its CPU"
    )


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines()


def progress(text: str) -> None:
    print(f"   {text}", file=sys.stderr, flush=True)


def table(
    title: str,
    head: Sequence[str],
    rows: Iterable[Sequence[object]],
    elsewhere: Elsewhere,
    notes: Sequence[str] = (),
) -> None:
    """The first column is text, the others are figures."""
    cells = [[str(cell) for cell in row] for row in (head, *rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    print(f"\n{title}\n{machine(elsewhere)}\n")
    for number, row in enumerate(cells):
        padded = [text.rjust(width) for text, width in zip(row[1:], widths[1:], strict=True)]
        print("  ".join([row[0].ljust(widths[0]), *padded]).rstrip())
        if number == 0:
            print("  ".join("-" * width for width in widths))
    for note in notes:
        print(f"* {note}")
    sys.stdout.flush()


def quantile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


@dataclass(frozen=True, slots=True)
class Spread:
    """Of some seconds; not a number without any."""

    count: int
    p50: float
    p99: float
    max: float

    def ms(self, digits: int = 2) -> tuple[str, str, str]:
        """p50, p99 and max in milliseconds."""
        p50, p99, largest = (f"{seconds * 1000:.{digits}f}" for seconds in (self.p50, self.p99, self.max))
        return p50, p99, largest


def spread(seconds: Sequence[float]) -> Spread:
    if not seconds:
        return Spread(0, float("nan"), float("nan"), float("nan"))
    return Spread(len(seconds), quantile(seconds, 0.5), quantile(seconds, 0.99), max(seconds))


def checked(claims: Iterable[tuple[str, bool]]) -> int:
    """Tell what a benchmark's check of itself found; the exit code."""
    failed = 0
    for claim, holds in claims:
        print(f"{'ok  ' if holds else 'WRONG'} {claim}")
        failed += not holds
    return 1 if failed else 0
