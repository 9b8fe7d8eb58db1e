"""A target probed again and again, for people: a line each time, and a summary at the end."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.console import Console
from rich.text import Text

from monitor.cli.probe_bars import sparkline
from monitor.cli.probe_run import Seen
from monitor.cli.probe_text import milliseconds, said
from monitor.cli.probe_view import Blocks
from probes.result import FailureReason, ProbeResult

_KEPT = 100_000
_WIDEST_LINE = 100
_REASONS = max(len(reason) for reason in FailureReason)
_NUMBERS = 11


@dataclass(slots=True)
class Tally:
    """What there is to say of one target at the end; times are those of the last so many probes."""

    probes: int = 0
    failed: dict[str, int] = field(default_factory=dict)  # by reason
    seconds: deque[float | None] = field(default_factory=lambda: deque(maxlen=_KEPT))  # None: it failed

    def add(self, result: ProbeResult) -> None:
        self.probes += 1
        if result.failure is not None:
            reason = result.failure.reason.value
            self.failed[reason] = self.failed.get(reason, 0) + 1
        self.seconds.append(result.duration_seconds if result.ok else None)

    def good_seconds(self) -> list[float]:
        """In ascending order."""
        return sorted(value for value in self.seconds if value is not None)


def quantile(ascending: Sequence[float], share: float) -> float:
    """The least value that `share` of all do not exceed: one that was really seen (nearest rank)."""
    return ascending[max(0, -int(-share * len(ascending) // 1) - 1)]


class Counted:
    """With `blocks` each probe is shown whole instead of as a line."""

    def __init__(self, console: Console, names: Sequence[str], blocks: Blocks | None) -> None:
        self._console, self._blocks = console, blocks
        self._widest = max(map(len, names)) if len(names) > 1 else 0
        self._tallies: dict[str, Tally] = {}

    def show(self, seen: Seen) -> None:
        self._tallies.setdefault(seen.target.name, Tally()).add(seen.result)
        if self._blocks is not None:
            self._blocks.show(seen)
        else:
            self._console.print(_line(seen.result, self._widest), overflow="ellipsis", no_wrap=True)

    def close(self) -> None:
        for name, tally in self._tallies.items():
            self._console.print()
            for line in _summary(name, tally, self._console):
                self._console.print(line)


def _line(result: ProbeResult, width: int) -> Text:
    """`width` is that of the names, 0 where there is but one target."""
    at = f"{result.started_at.astimezone():%H:%M:%S}"
    name = f"{result.target.ljust(width)}  " if width else ""
    if result.failure is None:
        told, reason, style = "  ".join(f"{phase} {took * 1000:.2f}" for phase, took in result.phases), "good", "green"
    else:
        told, reason, style = said(result.failure.detail), result.failure.reason.value, "bold red"
    took = milliseconds(result.duration_seconds).rjust(_NUMBERS)
    suspect = ("  suspect", "bold yellow") if result.suspect else ""
    return Text.assemble(
        (f"{at}  ", "dim"), name, (reason.ljust(_REASONS), style), f"  {took}", suspect, (f"  {told}", "dim")
    )


def _summary(name: str, tally: Tally, console: Console) -> list[Text]:
    reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(tally.failed.items()))
    failed = f"{sum(tally.failed.values())} failed ({reasons})" if reasons else "none failed"
    lines = [Text.assemble((name, "bold"), f"  {tally.probes} probe{'' if tally.probes == 1 else 's'}, {failed}")]
    if good := tally.good_seconds():
        times = {"min": good[0], "p50": quantile(good, 0.5), "p99": quantile(good, 0.99), "max": good[-1]}
        told = "   ".join(f"{name} {milliseconds(seconds)}" for name, seconds in times.items())
        lines.append(Text(f"  {told}"))
    width = min(_WIDEST_LINE, console.width - 4)
    lines.append(Text("  " + sparkline(tuple(tally.seconds), width, plain=console.options.ascii_only), style="cyan"))
    return lines
