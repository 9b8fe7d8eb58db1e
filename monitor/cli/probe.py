"""`monitor probe`: probe targets here and now, over the daemon's own code, and show what was seen."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn, Protocol

import typer

from monitor.errors import UserError

if TYPE_CHECKING:
    from monitor.cli.probe_run import Seen

_AT_ONCE = 8
_NOTHING_SEEN = 130  # Ctrl-C before the first result: as a shell tells of it


class Report(Protocol):
    """One way to show results: each as it comes, and what is to be said at the end."""

    def show(self, seen: Seen) -> None: ...

    def close(self) -> None: ...


class ProbeFormat(StrEnum):
    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"


_What = Annotated[
    list[str],
    typer.Argument(
        metavar="NAME|URL...",
        show_default=False,
        help="Targets of the settings file by name or pattern ('web-*', '*'), or addresses.",
    ),
]
_Config = Annotated[
    Path | None,
    typer.Option("--config", "-c", envvar="MONITOR_CONFIG", metavar="FILE", help="The settings that have the targets."),
]
_Debug = Annotated[bool, typer.Option("--debug", help="Show each step of the probe as it happened.")]
_Region = Annotated[
    str | None, typer.Option(envvar="MONITOR_REGION", metavar="NAME", help="Where this is; in the results alone.")
]
_Count = Annotated[
    int | None, typer.Option(min=1, max=100_000, metavar="N", help="Probe so often, with a line each and a summary.")
]
_Every = Annotated[
    str | None,
    typer.Option(metavar="DURATION", help="With --count, 1s unless it is given; without it until Ctrl-C."),
]
_Format = Annotated[
    ProbeFormat, typer.Option("--format", help="For people, one JSON document, or a line of JSON for each result.")
]
_Timeout = Annotated[
    str | None,
    typer.Option(metavar="DURATION", help="Give each probe up after this time, instead of the target's own."),
]
_CaFile = Annotated[
    Path | None, typer.Option("--ca-file", metavar="FILE", help="Trust these authorities (PEM), and no others.")
]
_Concurrency = Annotated[int, typer.Option(min=1, max=64, metavar="N", help="How many targets are probed at once.")]


def probe(
    what: _What,
    config: _Config = None,
    debug: _Debug = False,
    region: _Region = None,
    count: _Count = None,
    every: _Every = None,
    format_: _Format = ProbeFormat.TABLE,
    timeout: _Timeout = None,
    ca_file: _CaFile = None,
    concurrency: _Concurrency = _AT_ONCE,
) -> None:
    """Probe targets once, from here, and show what was seen: phases, answer, certificate, and why it failed.

    Exit code 0: every probe was good; 1: one failed; 2: the command or the settings were wrong.
    """
    if count is None and every is not None and format_ is ProbeFormat.JSON:
        raise UserError("--every without --count goes on until Ctrl-C; use --format jsonl, or give --count")
    from monitor.cli.probe_run import Rounds, run_rounds
    from monitor.cli.probe_targets import changed, chosen, duration_of

    pause = duration_of("--every", every or "1s")
    limit = None if timeout is None else duration_of("--timeout", timeout)
    targets, region = chosen(what, config, region)
    once = count is None and every is None
    rounds = Rounds(
        targets=changed(targets, timeout=limit, ca_file=ca_file),
        region=region,
        count=1 if once else count,
        every_seconds=pause.total_seconds(),
        at_once=concurrency,
    )
    report = _report(format_, [target.name for target in targets], debug, once)
    failed = run_rounds(rounds, report.show)
    report.close()
    _leave(_NOTHING_SEEN if failed is None else int(failed))


def _report(format_: ProbeFormat, names: list[str], debug: bool, once: bool) -> Report:
    from monitor.cli.common import console, print_json

    if format_ is not ProbeFormat.TABLE:
        from monitor.cli.probe_document import Document, Lines

        return Document(print_json, debug) if format_ is ProbeFormat.JSON else Lines(typer.echo, debug)
    from monitor.cli.probe_count import Counted
    from monitor.cli.probe_view import Blocks

    blocks = Blocks(console(), debug)
    return blocks if once else Counted(console(), names, blocks if debug else None)


def _leave(code: int) -> NoReturn:
    """At once: a thread that is stuck in the name service must not keep a command that is done."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
