from __future__ import annotations

import re

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from alerts.incident import TimelineEntry
from monitor.errors import UserError
from monitor.store import Store, open_store
from monitor.store.address import parse_address
from monitor.store.migrate import HEAD, VERSION_TABLE, configuration
from monitor.store.tables import metadata
from probes.result import Clock
from tests.support.incidents import NOON, OPEN
from tests.support.postgres import Postgres, run_apart
from tests.support.results import MIDNIGHT

APPEND_ONLY = ("audit", "timeline", "runbooks")


def test_the_newest_revision_is_the_one_that_the_program_expects() -> None:
    assert ScriptDirectory.from_config(configuration()).get_heads() == [HEAD]


async def create_all(url: str) -> None:
    engine = create_async_engine(parse_address(url).url)
    async with engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
    await engine.dispose()


async def sqlite_schema(url: str) -> set[str]:
    engine = create_async_engine(parse_address(url).url)
    query = sa.text("SELECT sql FROM sqlite_master WHERE type IN ('table', 'index') AND tbl_name <> :ours")
    async with engine.connect() as connection:
        found = (await connection.execute(query, {"ours": VERSION_TABLE})).scalars()
        statements = {" ".join(statement.split()) for statement in found if statement}
    await engine.dispose()
    return statements


@pytest.mark.parametrize("store_kind", ["sqlite"], indirect=True)
async def test_migrations_make_what_the_tables_say_on_sqlite(empty_url: str, store_url: str) -> None:
    other = empty_url + ".other"
    await create_all(other)
    assert await sqlite_schema(other) == await sqlite_schema(store_url)


def postgres_schema(server: Postgres, url: str) -> set[str]:
    dump = re.sub(r"(?m)^(--.*|\\.*)\n", "", server.dump(url.rsplit("/", 1)[1]))
    statements = (statement.strip() for statement in re.split(r";\n\n", dump))
    not_compared = ("CREATE FUNCTION", "CREATE TRIGGER")
    return {text for text in statements if VERSION_TABLE not in text and not text.startswith(not_compared)}


@pytest.mark.parametrize("store_kind", ["postgresql"], indirect=True)
def test_migrations_make_what_the_tables_say_on_postgresql(postgres: Postgres, empty_url: str, store_url: str) -> None:
    run_apart(create_all(empty_url))
    tables = postgres_schema(postgres, empty_url)
    assert len(tables) > 2 * len(metadata.tables)
    assert tables == postgres_schema(postgres, store_url)


async def filled(store: Store) -> None:
    async with store.write() as tx:
        await tx.save(OPEN, [TimelineEntry(at=NOON, actor="ada", source="cli", kind="noted", text="text")])
        await tx.pin_runbook("ab", "a.md", "text")
        await tx.audit(NOON, "ada", "cli", "opened", "incident 1", {})


@pytest.mark.parametrize("table", APPEND_ONLY)
async def test_the_database_refuses_to_change_what_is_written_once(store: Store, table: str) -> None:
    await filled(store)
    column = "text" if table != "audit" else "actor"
    statements = [f"UPDATE {table} SET {column} = 'forged'", f"DELETE FROM {table}"]
    if store.dialect == "postgresql":
        statements.append(f"TRUNCATE {table} CASCADE")
    for statement in statements:
        with pytest.raises(DBAPIError, match=f"{table} is append-only"):
            async with store._write() as connection:
                await connection.exec_driver_sql(statement)
    async with store._read() as connection:
        assert (await connection.exec_driver_sql(f"SELECT count(*) FROM {table}")).scalar_one() == 1


async def test_a_migration_that_fails_leaves_nothing_behind(empty_url: str) -> None:
    """The last table to be made is in the way: those before it must not stay."""
    await with_table(empty_url, "CREATE TABLE grades (mine integer)")
    with pytest.raises(UserError, match="another program's"):
        await open_store(empty_url)
    await with_table(empty_url, "DROP TABLE grades")
    store = await open_store(empty_url)
    assert await store.incidents() == []
    await store.close()


async def with_table(url: str, statement: str) -> None:
    engine = create_async_engine(parse_address(url).url)
    async with engine.begin() as connection:
        await connection.exec_driver_sql(statement)
    await engine.dispose()


async def test_rows_from_before_a_migration_are_read(empty_url: str) -> None:
    """A store of the first schema, with a raw result and a minute in it."""
    engine = create_async_engine(parse_address(empty_url).url)
    async with engine.begin() as connection:
        await connection.run_sync(_upgrade_to, "0001")
        await connection.exec_driver_sql(
            "INSERT INTO series (id, target, region, kind) VALUES (1, 'api', 'eu', 'http')"
        )
        start = "1767225600000000" if engine.dialect.name == "sqlite" else "'2026-01-01T00:00Z'"
        await connection.exec_driver_sql(
            "INSERT INTO results (started_at, series_id, duration_seconds, late_seconds, phases) "
            f"VALUES ({start}, 1, 0.5, 0, '{{}}')"
        )
        await connection.exec_driver_sql(
            "INSERT INTO minutes (series_id, minute, total, failed, slow, histogram) "
            f"VALUES (1, {start}, 7, 1, '{{}}', '{{}}')"
        )
    await engine.dispose()
    store = await open_store(empty_url)
    (raw,) = await store.results()
    assert (raw.started_at, raw.clock, raw.reprobe, raw.suspect) == (MIDNIGHT, Clock.USER, False, False)
    (minute,) = await store.minutes("api", "eu", MIDNIGHT)
    assert (minute.total, minute.suspect) == (7, {})
    await store.close()


def _upgrade_to(connection: sa.Connection, revision: str) -> None:
    config = configuration()
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
