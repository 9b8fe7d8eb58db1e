"""The fixture `store`: an empty, migrated store, once on SQLite and once on PostgreSQL.

A test that needs another process or a second connection takes `store_url`, which `store` was opened from. One database
alone: `@pytest.mark.parametrize("store_kind", ["sqlite"], indirect=True)`.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from monitor.store import Store, open_store, sqlite_url
from tests.support.postgres import Postgres, postgres_server, run_apart

_TEMPLATE = "monitor_template"


async def _migrate(url: str) -> None:
    await (await open_store(url)).close()


@asynccontextmanager
async def stuck(url: str) -> AsyncIterator[None]:
    """Another program sits on the store at `url`: no write gets through until the block ends."""
    store = await open_store(url)
    async with store._write() as connection:
        if store.dialect == "postgresql":
            await connection.execute(sa.text("LOCK TABLE series, results, incidents, outbox IN EXCLUSIVE MODE"))
        yield
    await store.close()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """The server; started when the first test needs it, ended with the session."""
    with postgres_server() as server:
        yield server


@pytest.fixture(scope="session")
def postgres_template(postgres: Postgres) -> str:
    run_apart(postgres.execute(f"CREATE DATABASE {_TEMPLATE}"))
    run_apart(_migrate(postgres.url(_TEMPLATE)))
    return _TEMPLATE


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("store") / "template.sqlite"
    run_apart(_migrate(sqlite_url(path)))
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def store_kind(request: pytest.FixtureRequest) -> str:
    kind: str = request.param
    return kind


@pytest.fixture
def empty_url(store_kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """Where a store can be made, and none is yet."""
    if store_kind == "sqlite":
        yield sqlite_url(tmp_path / "monitor.sqlite")
        return
    yield from _database(request.getfixturevalue("postgres"), "template1")


@pytest.fixture
def store_url(store_kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """An empty store, migrated and closed."""
    if store_kind == "sqlite":
        path = tmp_path / "monitor.sqlite"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        yield sqlite_url(path)
        return
    template = request.getfixturevalue("postgres_template")
    yield from _database(request.getfixturevalue("postgres"), template)


def _database(server: Postgres, template: str) -> Iterator[str]:
    name = f"test_{uuid.uuid4().hex}"
    run_apart(server.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy"))
    yield server.url(name)
    run_apart(server.execute(f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[Store]:
    store = await open_store(store_url)
    yield store
    await store.close()
