"""`monitor pager`: what has to do with the pager itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from monitor.pager_sink import Entry

app = typer.Typer(help="Practise with pages that wake nobody.", no_args_is_help=True)


@app.callback()
def pager() -> None:
    """Practise with pages that wake nobody."""


@app.command()
def sink(
    listen: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Where to take events; port 0 takes a free one.")
    ] = "127.0.0.1:9790",
    file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Append each event to this file, as a line of JSON.")
    ] = None,
) -> None:
    """Run a local stand-in for PagerDuty until Ctrl-C: it takes events and prints them.

    Point `pagerduty.events_url` at its address; GET /alerts and /events give back what it got.
    """
    import asyncio

    host, port = _address(listen)
    asyncio.run(_serve(host, port, file))


async def _serve(host: str, port: int, file: Path | None) -> None:
    import asyncio
    import signal

    from monitor.pager_sink import running_sink

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with running_sink(host=host, port=port, file=file, on_entry=_show) as running:
        typer.echo(f"taking events at {running.url} (nobody is paged); Ctrl-C ends it", err=True)
        await stop.wait()


def _show(entry: Entry) -> None:
    """One line an event. The text comes from outside: it is shown without control characters."""
    import sys

    from alerts.pagerduty.body import one_line
    from monitor.pager_sink.ledger import summary_of

    words = (one_line(entry.dedup_key, 255), one_line(summary_of(entry.body), 200))
    sys.stdout.write("  ".join((f"{entry.at:%H:%M:%S}", f"{entry.effect:<12}", *words)).rstrip() + "\n")
    sys.stdout.flush()


def _address(listen: str) -> tuple[str, int]:
    from monitor.errors import UserError

    host, separator, port = listen.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not separator or not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise UserError(f"--listen: {listen!r} is not HOST:PORT; right would be 127.0.0.1:9790")
    return host, int(port)
