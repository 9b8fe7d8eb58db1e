"""Open a store: make it when it is not there, migrate it, and say plainly why when it cannot be used."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncEngine

from monitor.errors import UserError
from monitor.store.address import Address, parse_address
from monitor.store.database import connect
from monitor.store.errors import CONNECT_ERRORS, cause_of
from monitor.store.migrate import migrate
from monitor.store.store import Store

_SQLITE_REMEDIES = (  # words of SQLite's message -> what the user can do
    ("not a database", "move the file away to start with an empty store, or restore a backup of it"),
    ("malformed", "move the file away to start with an empty store, or restore a backup of it"),
    ("readonly", "give the user that runs monitor write permission on the file and its folder"),
    ("unable to open", "name a file in a folder that the user that runs monitor may write"),
    ("locked", "another program holds the file; end it, or name another store in store.url"),
    ("full", "free some space on the disk"),
    ("already exists", "the file is another program's database; name another file in store.url"),
)
_POSTGRES_REMEDIES = (
    ("password", "put the right user and password in the secret that store.url names"),
    ("does not exist", "create the role and the database, or correct their names in store.url"),
    ("permission denied", "let the role create tables: GRANT CREATE ON SCHEMA public TO ..."),
    ("already exists", "the database holds another program's tables; give monitor a database of its own"),
)
_ANY_REMEDY = "check store.url, and that the database runs and can be reached from this machine"


async def open_store(url: str, *, lock_seconds: float = 10.0, create: bool = True) -> Store:
    """Open the store at `url`, migrating it under a lock. Raises UserError naming the place and the remedy.

    A write waits `lock_seconds` for writers of other processes before it raises StoreUnavailable.
    Without `create` a store that is not there is an error, and nothing is made.
    """
    address = parse_address(url)
    if address.path:
        _prepare_file(address.path, create=create)
    reader, writer = connect(address, lock_seconds)
    try:
        if address.path:
            await _journal(writer, address.path, lock_seconds)
        await migrate(writer, address.place, create=create)
    except BaseException as error:
        await reader.dispose()
        await writer.dispose()
        if isinstance(error, (*CONNECT_ERRORS, sqlite3.Error)):
            raise _explained(error, address) from None
        raise
    return Store(address, reader, writer)


def _prepare_file(path: Path, *, create: bool) -> None:
    """Make folder and file with permissions for their owner alone: incidents tell how a service can be broken."""
    try:
        if not create:
            path.stat()
        if not path.parent.is_dir():
            path.parent.mkdir(mode=0o700, parents=True)
        if path.is_dir():
            raise UserError(f"store: {path}: is a folder; name the file in store.url, such as {path}/monitor.sqlite")
        os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
    except FileNotFoundError:
        raise UserError(f"store: {path}: there is no store here; `monitor run` makes it") from None
    except OSError as error:
        remedy = "name a file in a folder that the user that runs monitor may write"
        raise UserError(f"store: {path}: {error.strerror or error}; {remedy}") from None


async def _journal(engine: AsyncEngine, path: Path, lock_seconds: float) -> None:
    """Switch to write-ahead logging once for all. SQLite does not wait its turn for this, so it is tried again."""
    deadline = time.monotonic() + lock_seconds
    while True:
        try:
            mode = await _set_journal_mode(engine)
            break
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.05)
    if mode != "wal":
        raise UserError(f"store: {path}: write-ahead logging does not work here; name a file on a local disk")


async def _set_journal_mode(engine: AsyncEngine) -> str:
    async with engine.connect() as connection:
        raw = await connection.get_raw_connection()  # below SQLAlchemy: a transaction must not be open
        cursor = await raw.driver_connection.execute("PRAGMA journal_mode=WAL")  # type: ignore[union-attr]
        (mode,) = await cursor.fetchone()
        await cursor.close()
        return str(mode)


def _explained(error: BaseException, address: Address) -> UserError:
    cause = cause_of(error)
    remedies = _SQLITE_REMEDIES if address.path else _POSTGRES_REMEDIES
    remedy = next((text for words, text in remedies if words in cause.lower()), _ANY_REMEDY)
    return UserError(f"store: {address.place}: {cause}; {remedy}")
