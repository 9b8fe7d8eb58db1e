"""`monitor check`: are the settings and their runbooks right?"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from monitor.cli.common import Format, FormatOption

if TYPE_CHECKING:
    from monitor.errors import UserError
    from monitor.settings import Loaded


_COLUMNS = {
    "name": "Target",
    "url": "Address",
    "every": "Every",
    "availability": "Objective",
    "grade": "Grade",
    "route": "Route",
    "runbook": "Runbook",
    "steps": "Steps",
}
_PIPED_WIDTH = 160  # of a table that no terminal bounds
_Config = Annotated[
    Path | None, typer.Option("--config", "-c", envvar="MONITOR_CONFIG", help="the settings file (YAML)")
]
_Schema = Annotated[bool, typer.Option("--schema", help="print a JSON Schema of the settings file, for editors")]
_NoSecrets = Annotated[bool, typer.Option("--no-secrets", help="look up no secret: check on a machine that has none")]


def check(
    config: _Config = None, format: FormatOption = Format.TABLE, schema: _Schema = False, no_secrets: _NoSecrets = False
) -> None:
    """Check a settings file with its runbooks and certificates; every mistake at once, exit 2."""
    import json

    from monitor.errors import UserError

    if schema:
        from monitor.settings.schema import schema_of_settings

        typer.echo(json.dumps(schema_of_settings(), indent=2))
        return
    if config is None:
        raise UserError("check: give the settings file with -c FILE, or --schema")
    from monitor.settings import load

    try:
        loaded = load(config, resolve_secrets=not no_secrets)
    except UserError as error:
        if format is Format.JSON:
            typer.echo(_failure(config, error))
            raise typer.Exit(error.exit_code) from None
        raise
    report = _report(config, loaded)
    if format is Format.JSON:
        typer.echo(json.dumps(report, indent=2))
    else:
        _show(report)


def _failure(config: Path, error: UserError) -> str:
    import json

    return json.dumps({"ok": False, "file": str(config), "problems": list(error.problems)}, indent=2)


def _report(config: Path, loaded: Loaded) -> dict[str, Any]:
    """What is told in either format; nothing in it is secret."""
    from alerts.runbook import read
    from monitor.redact import redact
    from monitor.settings.files import shown_path
    from probes.quantity import format_duration, format_percent

    settings = loaded.settings
    files = dict.fromkeys(target.runbook for target in settings.targets if target.runbook)
    runbooks = {file: read(file, shown_path(file)) for file in files}
    return {
        "ok": True,
        "file": str(config),
        "region": settings.region,
        "targets": [
            {
                "name": target.name,
                "url": redact(target.url),
                "every": format_duration(target.every),
                "availability": format_percent(target.slo.availability)
                if target.slo and target.slo.availability
                else None,
                "grade": target.tls.grade,
                "severity": target.severity,
                "route": target.route,
                "runbook": settings.runbook_name(target),
                "steps": len(runbooks[target.runbook].steps) if target.runbook else None,
            }
            for target in settings.targets
        ],
        "runbooks": len(runbooks),
        "routes": {name: route.driver for name, route in settings.pagerduty.routes.items()},
        "overrides": list(loaded.overrides),
        "warnings": [warning for runbook in runbooks.values() for warning in runbook.warnings],
    }


def _show(report: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for heading in _COLUMNS.values():
        table.add_column(heading, overflow="fold")
    for target in report["targets"]:
        table.add_row(*(Text("-" if target[key] is None else str(target[key])) for key in _COLUMNS))
    Console(width=None if sys.stdout.isatty() else _PIPED_WIDTH).print(table)
    counts = (("target", len(report["targets"])), ("runbook", report["runbooks"]), ("route", len(report["routes"])))
    said = ", ".join(f"{count} {name}{'' if count == 1 else 's'}" for name, count in counts)
    typer.echo(f"ok: {said}, region {report['region']}")
    if report["overrides"]:
        typer.echo(f"overridden by {', '.join(report['overrides'])}")
    for warning in report["warnings"]:
        typer.echo(f"warning: {warning}", err=True)
