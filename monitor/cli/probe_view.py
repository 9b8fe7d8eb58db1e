"""What a probe saw, for people: a block a target. All text may be a server's, or hold a secret: `said` sees to both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields, is_dataclass
from datetime import UTC, datetime
from typing import Any

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from monitor.cli.probe_bars import bar
from monitor.cli.probe_run import Seen
from monitor.cli.probe_steps import timeline
from monitor.cli.probe_text import milliseconds, outcome, said
from probes.engine.tls_steps import ending
from probes.options import ExpiryThresholds
from probes.result import Clock, Failure, HttpFacts, Phase, ProbeResult, TlsSession

_WIDEST_BAR = 72
_LABELS = 12  # columns of the names of phases and facts
_NUMBERS = 11
_COLOURS = {Phase.RESOLVE: "cyan", Phase.CONNECT: "blue", Phase.TLS: "magenta", Phase.TRANSFER: "yellow"}


class Blocks:
    """Shows each probe whole; with `debug` its steps, too."""

    def __init__(self, console: Console, debug: bool) -> None:
        self._console, self._debug, self._first = console, debug, True

    def show(self, seen: Seen) -> None:
        if not self._first:
            self._console.print()
        self._first = False
        for line in _head(seen):
            self._console.print(line)
        self._console.print(_indented(_waterfall(seen, self._console)))
        self._console.print(_indented(_facts(seen)))
        if self._debug:
            self._console.print()
            self._console.print(_indented(timeline(seen, plain=self._console.options.ascii_only)))

    def close(self) -> None:
        """Each was shown when it came."""


def _head(seen: Seen) -> Iterator[Text | Padding]:
    result, target = seen.result, seen.target
    took = f" {'in' if result.ok else 'after'} {milliseconds(result.duration_seconds)}"
    yield Text.assemble((target.name, "bold"), "  ", outcome(result), took)
    if target.url != target.name:
        yield _indented(Text(said(target.url), style="dim"))
    if result.failure is not None:
        yield _indented(Text(said(result.failure.detail), style="red"))
    yield Text()


def _waterfall(seen: Seen, console: Console) -> Table:
    """A row a phase; where redirects made it go on several times, its bar has several parts."""
    rows = _grid(_LABELS)
    rows.add_column(justify="right", no_wrap=True, min_width=_NUMBERS)
    rows.add_column(no_wrap=True)
    result = seen.result
    begin = min((span.since_seconds for span in seen.spans), default=0.0)
    whole = max((span.until_seconds for span in seen.spans), default=0.0) - begin
    width = min(_WIDEST_BAR, console.width - _LABELS - _NUMBERS - 6)
    for phase, seconds in result.phases:
        spans = [(each.since_seconds - begin, each.until_seconds - begin) for each in seen.spans if each.phase is phase]
        drawn = bar(spans, whole, max(1, width), plain=console.options.ascii_only)
        rows.add_row(phase, milliseconds(seconds), Text(drawn, style=_COLOURS.get(phase, "green")))
    return rows


def _facts(seen: Seen) -> Table:
    rows = _grid(_LABELS)
    rows.add_column(overflow="fold")
    for name, value in _told(seen):
        rows.add_row(name, value)
    return rows


def _told(seen: Seen) -> Iterator[tuple[str, Text]]:
    result = seen.result
    if result.address is not None:
        yield "address", Text(said(result.address))
    for each in result.addresses:
        told = f"{each.reason} after" if each.reason else "good after"
        yield "", Text(f"{said(each.ip)}: {told} {milliseconds(each.duration_seconds)}")
    if result.phases:
        yield "clock", _clock(result)
    for field in fields(result):
        value = getattr(result, field.name)
        if isinstance(value, TlsSession):
            yield "tls", _tls(value, seen.target.tls.expiry)
        elif isinstance(value, HttpFacts):
            yield "http", Text(_http(value))
        elif is_dataclass(value) and not isinstance(value, Failure):
            yield field.name, Text(", ".join(_named(asdict(value))))  # type: ignore[arg-type]


def _clock(result: ProbeResult) -> Text:
    kernel = result.clock is Clock.KERNEL
    told = Text(f"{result.clock}: " + ("the kernel's receive time" if kernel else "when this process read it"))
    if result.suspect:
        told.append("; suspect: this process was held up, and the times may be its own", style="bold yellow")
    return told


def _tls(session: TlsSession, soon: ExpiryThresholds) -> Text:
    left = session.not_after - datetime.now(UTC)
    style = "bold red" if left < soon.page else "yellow" if left < soon.ticket else ""
    # One that failed at the certificate agreed on nothing.
    agreed = f"{session.version}, {said(session.cipher)}, " if session.cipher else ""
    verified = "" if session.verified else ", not verified"
    return Text.assemble(f"{agreed}certificate ", (ending(session.not_after), style), verified)


def _http(facts: HttpFacts) -> str:
    redirects = f", {facts.redirects} redirect{'' if facts.redirects == 1 else 's'}" if facts.redirects else ""
    cut = ", where reading stopped" if facts.body_cut else ""
    return f"status {facts.status_code}, HTTP/{facts.version}{redirects}, {facts.body_bytes} bytes of body{cut}"


def _named(facts: Mapping[str, Any]) -> Iterator[str]:
    for name, value in facts.items():
        if value is not None:
            yield f"{name.replace('_', ' ')} {said(str(value))}"


def _indented(shown: RenderableType) -> Padding:
    return Padding(shown, (0, 0, 0, 2), expand=False)


def _grid(label_width: int) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="dim", no_wrap=True, min_width=label_width)
    return grid
