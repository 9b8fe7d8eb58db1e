"""The steps of a probe and its phases, as one timeline."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rich.table import Table
from rich.text import Text

from monitor.cli.probe_run import Seen
from monitor.cli.probe_text import milliseconds, said
from probes.engine.exchange import Span, Step

_DRAWN = {"begin": "┌ ", "inside": "│ ", "end": "└ ", "whole": "╶ ", "outside": "  "}
_PLAIN = {"begin": "+ ", "inside": "| ", "end": "+ ", "whole": "- ", "outside": "  "}
_STYLES = {"begin": "cyan", "end": "cyan", "whole": "cyan", "good": "bold green", "failed": "bold red"}


@dataclass(frozen=True, slots=True)
class Event:
    """A step, or the begin or end of a phase."""

    offset_seconds: float  # after the probe began
    place: str  # a key of _DRAWN
    what: str
    detail: str


def timeline(seen: Seen, *, plain: bool) -> Table:
    rows = Table.grid(padding=(0, 2, 0, 0))
    rows.add_column(justify="right", no_wrap=True, style="dim")
    rows.add_column(no_wrap=True)
    rows.add_column(overflow="fold")
    for event in events(seen):
        style = _STYLES.get(event.place) or _STYLES.get(event.what, "")
        what = Text((_PLAIN if plain else _DRAWN)[event.place] + said(event.what), style=style)
        rows.add_row(milliseconds(event.offset_seconds), what, Text(said(event.detail)))
    return rows


def events(seen: Seen) -> Iterator[Event]:
    """In the order in which they happened; a phase in which nothing was noted is one event."""
    open_ = False
    moments = _moments(seen)
    for (at, _, moment, ends), (_, _, following, _) in zip(moments, [*moments[1:], (0.0, 0, None, False)], strict=True):
        offset = at - seen.began_seconds
        if isinstance(moment, Step):
            yield Event(offset, "inside" if open_ else "outside", moment.what, moment.told())
            continue
        took = milliseconds(moment.until_seconds - moment.since_seconds)
        if not ends and following is moment:
            yield Event(offset, "whole", moment.phase, took)
        elif not ends:
            open_ = True
            yield Event(offset, "begin", moment.phase, "")
        elif open_:
            open_ = False
            yield Event(offset, "end", moment.phase, took)


def _moments(seen: Seen) -> list[tuple[float, int, Step | Span, bool]]:
    """(when, order of what is at the same time, what, whether it is a phase that ends): one phase ends when the next
    begins, and what was noted at that moment belongs to the next."""
    moments: list[tuple[float, int, Step | Span, bool]] = []
    for number, span in enumerate(seen.spans):
        moments.append((span.since_seconds, 2 * number, span, False))
        moments.append((span.until_seconds, 2 * number + 1, span, True))
    moments += [(step.at_seconds, 2 * len(seen.spans), step, False) for step in seen.steps]
    return sorted(moments, key=lambda moment: moment[:2])
