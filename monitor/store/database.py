"""Connections: SQLite with one writer and many readers, PostgreSQL with a pool; both with the same promises.

A read sees one moment of the store. A serialised write has the store to itself from its first read to its commit:
`BEGIN IMMEDIATE` on SQLite, an advisory lock on PostgreSQL. Nobody reads, decides, and writes over another's change.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from functools import cached_property, partial
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from monitor.store.address import Address
from monitor.store.errors import CONNECT_ERRORS, StoreUnavailable, cause_of, translated
from monitor.store.types import CompactTime, microseconds, to_json

WRITE_LOCK = 0x6D6F6E01  # advisory lock keys of PostgreSQL: "mon" and a number
MIGRATION_LOCK = 0x6D6F6E02

# For a server that is not heard of any more; one that is heard ends a slow statement itself, sooner.
COMMAND_SECONDS = 60.0

_SQLITE_PRAGMAS = (
    "PRAGMA synchronous=FULL",  # a page that was promised survives a power cut
    "PRAGMA foreign_keys=ON",
    "PRAGMA temp_store=MEMORY",
)
_POSTGRES_SETTINGS = {
    "application_name": "monitor",
    "timezone": "UTC",
    "statement_timeout": "30s",
    "idle_in_transaction_session_timeout": "60s",
}
# hide_parameters: values are people's words and network input; they do not belong in an error's text.
_COMMON: dict[str, Any] = {"hide_parameters": True, "json_serializer": to_json, "pool_timeout": 30}


class Database:
    """The two kinds of transaction that every query of the store runs in."""

    def __init__(self, address: Address, reader: AsyncEngine, writer: AsyncEngine) -> None:
        self.place = address.place
        self.dialect = writer.dialect.name
        self._reader = reader
        self._writer = writer
        self._series: dict[tuple[str, str, str], int] = {}
        self._looking: AsyncConnection | None = None
        self._opening = asyncio.Lock()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.place}>"

    async def close(self) -> None:
        if self._looking is not None:
            await self._looking.close()
            self._looking = None
        await self._reader.dispose()
        await self._writer.dispose()

    @asynccontextmanager
    async def _read(self) -> AsyncIterator[AsyncConnection]:
        async with self._connection(self._reader) as connection, connection.begin():
            yield connection

    @asynccontextmanager
    async def _write(self, *, serialised: bool = True) -> AsyncIterator[AsyncConnection]:
        """One transaction. On SQLite every write is serialised; elsewhere idempotent ones need not wait."""
        async with self._connection(self._writer) as connection, connection.begin():
            if serialised and self.dialect == "postgresql":
                await connection.execute(sa.select(sa.func.pg_advisory_xact_lock(WRITE_LOCK)))
            yield connection

    @asynccontextmanager
    async def _connection(self, engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
        connection = engine.connect()
        try:
            await connection.start()
        except CONNECT_ERRORS as error:
            raise StoreUnavailable(self.place, cause_of(error)) from None
        with translated(self.place):
            try:
                yield connection
            finally:
                await connection.close()

    async def _finds(self, query: str) -> bool:
        """Whether a query without parameters finds anything: for what is asked all the time, and seldom finds.

        On SQLite it goes to the driver, on a connection of its own: a transaction around it costs ten times as much.
        """
        if self.dialect == "postgresql":
            async with self._read() as connection:
                return (await connection.exec_driver_sql(query)).first() is not None
        with translated(self.place):
            driver = await self._driver()
            return bool(await driver.execute_fetchall(query))

    async def _driver(self) -> Any:
        async with self._opening:
            if self._looking is None:
                self._looking = await self._reader.connect()
            return (await self._looking.get_raw_connection()).driver_connection

    def _insert(self, table: sa.Table) -> Any:
        """An INSERT that knows ON CONFLICT; both dialects spell it alike, but share no type."""
        return postgresql.insert(table) if self.dialect == "postgresql" else sqlite.insert(table)

    def _compiled(self, statement: Any) -> str:
        """For `exec_driver_sql` with plain tuples: for many rows SQLAlchemy's own way to the values costs more than the
        database's to the row. The values are in the order of the table's columns, as the driver takes them.
        """
        return str(statement.compile(dialect=self._writer.dialect))

    @cached_property
    def _bind_time(self) -> Callable[[datetime], Any]:
        """A value of the type CompactTime as the driver takes it."""
        if self.dialect == "sqlite":
            return microseconds
        return partial(CompactTime().process_bind_param, dialect=self._writer.dialect)


def connect(address: Address, lock_seconds: float) -> tuple[AsyncEngine, AsyncEngine]:
    """The engines for (reading, writing). Nothing is opened yet."""
    return _sqlite(address, lock_seconds) if address.path else _postgresql(address, lock_seconds)


def _sqlite(address: Address, lock_seconds: float) -> tuple[AsyncEngine, AsyncEngine]:
    timeout = {"timeout": lock_seconds}
    reader = create_async_engine(address.url, pool_size=4, max_overflow=4, connect_args=timeout, **_COMMON)
    # One connection: writers of this process queue in order here, and meet other processes at SQLite's own lock.
    writer = create_async_engine(address.url, pool_size=1, max_overflow=0, connect_args=timeout, **_COMMON)
    _drive_transactions(reader, "BEGIN", (*_SQLITE_PRAGMAS, "PRAGMA query_only=ON"))
    _drive_transactions(writer, "BEGIN IMMEDIATE", _SQLITE_PRAGMAS)
    return reader, writer


def _drive_transactions(engine: AsyncEngine, begin: str, pragmas: tuple[str, ...]) -> None:
    """Python's driver begins transactions late and on its own; here BEGIN is said at the beginning, and how."""

    @event.listens_for(engine.sync_engine, "connect")
    def _connected(dbapi_connection: Any, _record: object) -> None:
        dbapi_connection.isolation_level = None
        cursor = dbapi_connection.cursor()
        for pragma in pragmas:
            cursor.execute(pragma)
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def _begun(connection: sa.Connection) -> None:
        connection.exec_driver_sql(begin)


def _postgresql(address: Address, lock_seconds: float) -> tuple[AsyncEngine, AsyncEngine]:
    settings = {**_POSTGRES_SETTINGS, "lock_timeout": f"{lock_seconds * 1000:.0f}ms"}
    engine = create_async_engine(
        address.url,
        pool_size=5,
        max_overflow=5,
        pool_pre_ping=True,  # a server that was restarted costs one round trip, not an error
        connect_args={"timeout": 10, "command_timeout": COMMAND_SECONDS, "server_settings": settings},
        **_COMMON,
    )
    snapshot = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    return snapshot, engine
