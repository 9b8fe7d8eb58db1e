"""Bring a store to this program's schema. Of many processes that do so at once one works, and the others wait."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from monitor.errors import UserError
from monitor.store.database import MIGRATION_LOCK

if TYPE_CHECKING:
    from alembic.config import Config

HEAD = "0002"  # the newest revision in migrations/versions; knowing it spares most starts the import of Alembic
VERSION_TABLE = "monitor_schema"  # not Alembic's usual name: the database may be another program's home, too
MIGRATIONS = Path(__file__).parent / "migrations"


def configuration() -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config


async def migrate(engine: AsyncEngine, place: str, *, create: bool = True) -> None:
    """Raises UserError when the store was written by a newer program, or is none and is not to be made one."""
    async with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            await connection.execute(sa.text("SET LOCAL lock_timeout = '120s'"))
            await connection.execute(sa.text("SET LOCAL statement_timeout = 0"))
            await connection.execute(sa.select(sa.func.pg_advisory_xact_lock(MIGRATION_LOCK)))
        revision = await connection.run_sync(_revision)
        if revision is None and not create:
            raise UserError(f"store: {place}: holds no store of monitor yet; `monitor run` makes it")
        if revision != HEAD:
            await connection.run_sync(_upgrade, place)


def _revision(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table(VERSION_TABLE):
        return None
    revision: str | None = connection.scalar(sa.text(f"SELECT version_num FROM {VERSION_TABLE}"))  # noqa: S608
    return revision


def _upgrade(connection: sa.Connection, place: str) -> None:
    from alembic import command
    from alembic.script import ScriptDirectory

    config = configuration()
    found = _revision(connection)
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if found is not None and found not in known:
        raise UserError(
            f"store: {place}: was written by a newer monitor (schema {found}; this one knows up to {HEAD}); "
            "upgrade this program, or name another store in store.url"
        )
    config.attributes["connection"] = connection
    command.upgrade(config, HEAD)
