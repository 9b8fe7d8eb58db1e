"""The command line: one file a command group, thin; heavy modules are imported inside the commands."""

from __future__ import annotations

import sys

import typer

from monitor.cli.check import check
from monitor.cli.demo import demo
from monitor.cli.incidents import app as incidents
from monitor.cli.pager import app as pager
from monitor.cli.probe import probe
from monitor.cli.run import run
from monitor.cli.tls_grade import tls_grade

app = typer.Typer(
    name="monitor",
    help="Probe services, judge what is seen, page once, and track the response.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # rich would take as long to load as everything else of --help
    add_completion=True,
)

app.command("run")(run)
app.command("check")(check)
app.command("probe")(probe)
app.command("tls-grade")(tls_grade)
app.add_typer(incidents, name="incidents")
app.add_typer(pager, name="pager")
app.command("demo")(demo)


def main() -> None:
    """The `monitor` command. A UserError ends it with its text and exit code, never with a traceback.

    An error of ours ends it with 2, as 1 is an answer, and is logged: that masks the secrets that are known by then.
    """
    from monitor.errors import UserError

    try:
        app()
    except UserError as error:
        for problem in error.problems:
            sys.stderr.write(f"{problem}\n")
        raise SystemExit(error.exit_code) from None
    except Exception as error:
        import structlog

        from monitor.logs import configure_logs

        if not structlog.is_configured():
            configure_logs(format="console")
        structlog.get_logger().critical("ended by an error of ours; please report it", exc_info=error)
        raise SystemExit(2) from None
