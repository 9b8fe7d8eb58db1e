"""What commands share: where the store is, who acts, and how answers are shown."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from monitor.errors import UserError

if TYPE_CHECKING:
    from rich.console import Console

    from monitor.store import Store

T = TypeVar("T")
_PIPED_COLUMNS = 200


class Format(StrEnum):
    TABLE = "table"
    JSON = "json"


ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", "-c", envvar="MONITOR_CONFIG", metavar="FILE", help="The settings that name the store."),
]
DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data",
        envvar="MONITOR_DATA",
        metavar="DIR",
        help="The daemon's data folder; ./data when neither is given.",
        show_default=False,
    ),
]
ActorOption = Annotated[
    str | None,
    typer.Option(
        "--as", envvar="MONITOR_ACTOR", metavar="NAME", help="Who acts; your login name when it is not given."
    ),
]
FormatOption = Annotated[Format, typer.Option("--format", help="Tables for people, or one JSON document for programs.")]


def actor_name(given: str | None) -> str:
    """Raises UserError on a machine where the user has no name."""
    import getpass

    if given:
        return given
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        raise UserError("who acts? This user has no login name; use --as NAME or set MONITOR_ACTOR") from None


def with_store(config: Path | None, data: Path | None, work: Callable[[Store], Awaitable[T]]) -> T:
    """What `work` gives for the store. The daemon may be up or down; a store that is not there is not made."""
    import asyncio

    return asyncio.run(_with_store(config, data, work))


async def _with_store(config: Path | None, data: Path | None, work: Callable[[Store], Awaitable[T]]) -> T:
    from monitor.store import StoreUnavailable, open_store, sqlite_url

    try:
        url = _url_of_settings(config, data) if config else sqlite_url((data or Path("data")) / "monitor.sqlite")
        store = await open_store(url, create=False)
    except StoreUnavailable:
        raise
    except UserError as error:
        other = (
            "-c FILE (settings) or another --data DIR" if config is None else "--data DIR, without -c, if it is SQLite"
        )
        raise UserError(*error.problems, f"or name the store with {other}") from None
    try:
        return await work(store)
    finally:
        await store.close()


def _url_of_settings(config: Path, data: Path | None) -> str:
    """No secret but the store's own is looked up: acting on an incident needs no routing key."""
    import os

    from monitor.settings import load_settings
    from monitor.settings.node import Origin, node_of
    from monitor.settings.references import resolve_references

    settings = load_settings(config, data=data, resolve_secrets=False)
    url = settings.store_url.get_secret_value()
    tree = node_of({"store": {"url": url}}, Origin(f"{config}: store.url", source="variable"))
    resolved, problems = resolve_references(tree, os.environ, config.parent, look_up=True)
    if problems:
        raise UserError(*map(str, problems))
    return str(resolved.plain()["store"]["url"])


def console() -> Console:
    """Without markup and, unless a person watches, without colour (rich sees to NO_COLOR) and without narrow lines."""
    import sys

    from rich.console import Console

    width = None if sys.stdout.isatty() else _PIPED_COLUMNS
    return Console(markup=False, highlight=False, emoji=False, width=width)


def print_json(document: object) -> None:
    """In ASCII: what a server put into the text reaches no terminal as control characters."""
    import json

    typer.echo(json.dumps(document, indent=2))
