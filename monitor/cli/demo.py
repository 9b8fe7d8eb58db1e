"""`monitor demo`: the whole loop, with real faults, on this machine only."""

from __future__ import annotations

from typing import Annotated

import typer


def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Keep it running afterwards, and print the addresses.")] = False,
) -> None:
    """Show the whole loop in under two minutes, with no account and nothing outside this machine.

    A sample service with real faults, the daemon on SQLite, and a pager that wakes nobody. Exit code 0 only if every
    stage was really seen.
    """
    import asyncio

    from monitor.demo.run import run_demo

    raise SystemExit(asyncio.run(run_demo(keep=keep)))
