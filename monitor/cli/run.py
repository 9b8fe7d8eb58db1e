"""`monitor run`: the daemon."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from monitor.errors import UserError

_Config = Annotated[
    Path | None, typer.Option("--config", "-c", envvar="MONITOR_CONFIG", help="the settings file (YAML)")
]
_Targets = Annotated[Path | None, typer.Option(help="instead of a settings file: a file with one URL a line")]
_Every = Annotated[str, typer.Option(help="how often each URL of --targets is probed, such as 10s")]
_CaFile = Annotated[Path | None, typer.Option(help="trust this authority (PEM) for the URLs of --targets")]
_Listen = Annotated[str | None, typer.Option(help="HOST:PORT of metrics, health and page")]
_Data = Annotated[Path | None, typer.Option(help="the folder for everything that the daemon keeps")]


def run(
    config: _Config = None,
    targets: _Targets = None,
    every: _Every = "10s",
    ca_file: _CaFile = None,
    listen: _Listen = None,
    data: _Data = None,
) -> None:
    """Probe, judge, page and track, until SIGTERM. SIGHUP reads the settings again."""
    from monitor.daemon import run_daemon
    from monitor.settings import load_settings, settings_of_target_list

    if (config is None) == (targets is None):
        raise UserError("run: give either -c FILE (settings) or --targets FILE (one URL a line)")
    if targets is not None:
        load = partial(settings_of_target_list, targets, every=every, ca_file=ca_file, listen=listen, data=data)
    else:
        if ca_file is not None:
            raise UserError("--ca-file goes with --targets; in a settings file write it under tls: {ca_file: ...}")
        load = partial(load_settings, config, listen=listen, data=data)
    raise SystemExit(run_daemon(load))
