"""`monitor incidents`: see incidents and answer them, straight in the store, whether the daemon runs or not."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

import typer

from monitor.cli.common import (
    ActorOption,
    ConfigOption,
    DataOption,
    Format,
    FormatOption,
    actor_name,
    console,
    print_json,
    with_store,
)
from monitor.errors import NotFound, UserError

if TYPE_CHECKING:
    from alerts.incident import Incident
    from monitor.cli.incidents_view import IncidentRecord
    from monitor.store import Store

SOURCE = "cli"
app = typer.Typer(help="See incidents and answer them, whether the daemon runs or not.", no_args_is_help=True)
_Id = Annotated[str, typer.Argument(metavar="ID", help="The incident's number, as 12 or #12.", show_default=False)]
_Done = Annotated[bool, typer.Option("--done", help="It is done.")]
_Doing = Annotated[bool, typer.Option("--doing", help="You are at it.")]
_Failed = Annotated[bool, typer.Option("--failed", help="It was tried and did not work; say how with --reason.")]
_Skip = Annotated[bool, typer.Option("--skip", help="It is left out; say why with --reason.")]
_Todo = Annotated[bool, typer.Option("--todo", help="It is to be done (again).")]


@app.command("list")
def list_(
    all_: Annotated[bool, typer.Option("--all", help="The resolved ones too.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many, the newest first.")] = 100,
    format_: FormatOption = Format.TABLE,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """List incidents, the newest first: those that are open, or --all."""
    from monitor.cli import incidents_view

    incidents = with_store(config, data, lambda store: store.incidents(open_only=not all_, limit=limit))
    if format_ is Format.JSON:
        print_json({"incidents": [incidents_view.summary(incident) for incident in incidents]})
    elif incidents:
        console().print(incidents_view.table(incidents))
    else:
        typer.echo("there are no incidents" if all_ else "no incident is open")


@app.command()
def show(
    id_: _Id,
    runbook: Annotated[bool, typer.Option("--runbook", help="Print the runbook as it was pinned, whole.")] = False,
    format_: FormatOption = Format.TABLE,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Show one incident: state, evidence, runbook steps, pages and timeline."""
    from monitor.cli import incidents_view

    number = _number(id_)
    record = with_store(config, data, lambda store: _record(store, number))
    if format_ is Format.JSON:
        print_json(incidents_view.document(record))
    elif runbook:
        typer.echo(incidents_view.runbook_text(record))
    else:
        incidents_view.show(console(), record)


async def _record(store: Store, number: int) -> IncidentRecord:
    from monitor.cli.incidents_view import IncidentRecord

    incident = await store.incident(number)
    if incident is None:
        raise NotFound(f"there is no incident {number}; `monitor incidents list --all` shows those that there are")
    return IncidentRecord(
        incident=incident,
        timeline=await store.timeline(number),
        pages=await store.outbox_rows(number),
        runbook_text=await store.runbook_text(incident.runbook.sha256) if incident.runbook else None,
    )


@app.command()
def ack(id_: _Id, as_: ActorOption = None, config: ConfigOption = None, data: DataOption = None) -> None:
    """Acknowledge: you are at it, and the pager stops calling others."""
    from monitor import response

    number, actor = _number(id_), actor_name(as_)
    _say(with_store(config, data, lambda store: response.acknowledge(store, number, actor, SOURCE)))


@app.command()
def note(
    id_: _Id,
    text: Annotated[str, typer.Argument(metavar="TEXT", show_default=False, help="What you saw, did or decided.")],
    as_: ActorOption = None,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Add a note to the timeline, also after the end."""
    from monitor import response

    number, actor = _number(id_), actor_name(as_)
    with_store(config, data, lambda store: response.note(store, number, actor, SOURCE, text))
    typer.echo(f"incident {number}: noted")


@app.command()
def step(
    id_: _Id,
    step_id: Annotated[str, typer.Argument(metavar="STEP_ID", show_default=False, help="As `show` names it.")],
    done: _Done = False,
    doing: _Doing = False,
    failed: _Failed = False,
    skip: _Skip = False,
    todo: _Todo = False,
    evidence: Annotated[str | None, typer.Option(metavar="TEXT", help="What shows it.")] = None,
    reason: Annotated[str | None, typer.Option(metavar="TEXT", help="Why it failed or is left out.")] = None,
    as_: ActorOption = None,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Say how a runbook step goes, also after the end."""
    from alerts.incident import StepState
    from monitor import response

    flags = {"done": done, "doing": doing, "failed": failed, "skip": skip, "todo": todo}
    chosen = [flag for flag, given in flags.items() if given]
    if len(chosen) != 1:
        raise UserError(f"step: give one of {', '.join(f'--{flag}' for flag in flags)}")
    if evidence and reason:
        raise UserError("step: give either --evidence or --reason, not both")
    state = StepState("skipped" if chosen == ["skip"] else chosen[0])
    number, actor, words = _number(id_), actor_name(as_), evidence or reason
    with_store(
        config,
        data,
        lambda store: response.step(store, number, actor, SOURCE, step_id=step_id, state=state, note=words),
    )
    typer.echo(f"incident {number}: step {step_id} is {state}")


@app.command()
def resolve(
    id_: _Id,
    reason: Annotated[str | None, typer.Option(metavar="TEXT", help="Why it is over although rules fire.")] = None,
    as_: ActorOption = None,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Resolve by hand. If the trouble goes on, that becomes a new incident."""
    from monitor import response

    number, actor = _number(id_), actor_name(as_)
    _say(with_store(config, data, lambda store: response.resolve(store, number, actor, SOURCE, reason)))


def _number(id_: str) -> int:
    found = re.fullmatch(r"#?([0-9]{1,18})", id_)
    if found is None:
        raise UserError(f"{id_!r} is not the number of an incident; write it as 12 or #12 (`monitor incidents list`)")
    return int(found[1])


def _say(incident: Incident) -> None:
    from alerts.text import one_line

    who = incident.resolved_by or incident.acknowledged_by or ""
    typer.echo(f"incident {incident.id}: {incident.state} by {one_line(who)}")
