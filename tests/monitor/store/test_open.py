"""Opening a store: what a user can put right is said with the place and the remedy, and never with the password."""

from __future__ import annotations

import sqlite3
import stat
from pathlib import Path

import pytest

from monitor.errors import UserError
from monitor.store import Store, open_store, sqlite_url
from monitor.store.address import parse_address
from monitor.store.migrate import VERSION_TABLE
from tests.support.postgres import PASSWORD, USER, Postgres, run_apart
from tests.support.wait import free_port


async def refusal(url: str) -> str:
    with pytest.raises(UserError) as caught:
        await open_store(url)
    message = str(caught.value)
    assert PASSWORD not in message
    assert "s3cret" not in message
    return message


async def test_a_new_store_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "%25 & more?.sqlite"
    store = await open_store(sqlite_url(path))
    await store.incidents()
    files = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    await store.close()
    assert set(files.values()) == {0o600}
    assert {path.name, f"{path.name}-wal"} <= set(files)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


async def test_sqlite_is_as_durable_as_a_page_needs(store_kind: str, store: Store) -> None:
    if store_kind != "sqlite":
        return
    expected = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
    async with store._write() as connection:
        found = {name: (await connection.exec_driver_sql(f"PRAGMA {name}")).scalar_one() for name in expected}
    assert found == expected


async def test_opening_again_finds_what_was_written(store_url: str) -> None:
    first = await open_store(store_url)
    async with first.write() as tx:
        await tx.pin_runbook("ab", "a.md", "text")
    await first.close()
    second = await open_store(store_url)
    assert await second.runbook_text("ab") == "text"
    await second.close()


async def test_a_store_that_must_be_there_is_not_made(tmp_path: Path, store_kind: str, empty_url: str) -> None:
    with pytest.raises(UserError, match=r"`monitor run` makes it"):
        await open_store(empty_url, create=False)
    assert list(tmp_path.iterdir()) == []
    await (await open_store(empty_url)).close()
    await (await open_store(empty_url, create=False)).close()


async def test_a_store_of_a_newer_program_is_refused(store: Store, store_url: str) -> None:
    async with store._write() as connection:
        await connection.exec_driver_sql(f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
    message = await refusal(store_url)
    assert store.place in message
    assert "newer monitor (schema 9999" in message
    assert "upgrade" in message


async def test_a_folder_is_no_file(tmp_path: Path) -> None:
    message = await refusal(sqlite_url(tmp_path))
    assert f"{tmp_path}: is a folder" in message
    assert f"{tmp_path}/monitor.sqlite" in message


async def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    message = await refusal(sqlite_url(tmp_path / "file" / "data" / "monitor.sqlite"))
    assert "Not a directory" in message
    assert "may write" in message


async def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "monitor.sqlite"
    path.write_text("this is not a database, and long enough to be read as one. " * 100)
    message = await refusal(sqlite_url(path))
    assert str(path) in message
    assert "not a database; move the file away" in message


@pytest.mark.parametrize("store_kind", ["sqlite"], indirect=True)
async def test_a_damaged_database(store_url: str) -> None:
    path = parse_address(store_url).path
    assert path
    content = bytearray(path.read_bytes())
    content[100:4096] = b"\xff" * 3996  # the root of the schema
    path.write_bytes(content)
    message = await refusal(store_url)
    assert str(path) in message
    assert "restore a backup" in message


async def test_a_file_that_another_program_holds(tmp_path: Path) -> None:
    path = tmp_path / "monitor.sqlite"
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(UserError, match="locked; another program holds the file"):
        await open_store(sqlite_url(path), lock_seconds=0.1)
    other.execute("COMMIT")
    other.close()
    await (await open_store(sqlite_url(path))).close()


async def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.sqlite"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE steps (mine)")
    other.close()
    message = await refusal(sqlite_url(path))
    assert "another program's database" in message
    with sqlite3.connect(path) as other:
        assert other.execute("SELECT name FROM sqlite_master").fetchall() == [("steps",)]
    other.close()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("nonsense s3cret", "not the URL of a database"),
        ("postgresql://me:s3cret@host:port/db", "not the URL of a database"),
        ("mysql://me:s3cret@host/db", "'mysql' is not a database that monitor can use"),
        ("sqlite://", "needs a file"),
        ("sqlite:///:memory:", "needs a file"),
        ("sqlite:///file?mode=ro", "takes no options (mode)"),
        ("postgresql://me:s3cret@host", "the name of the database is missing"),
    ],
)
async def test_an_address_that_names_no_store(url: str, words: str) -> None:
    message = await refusal(url)
    assert words in message
    assert "write sqlite:///" in message


def test_libpq_spellings_are_understood() -> None:
    address = parse_address("postgres://me:s3cret@host/db?sslmode=require")
    assert address.url.drivername == "postgresql+asyncpg"
    assert address.url.query == {"ssl": "require"}
    assert address.place == "postgresql://me:***@host/db"
    assert "s3cret" not in repr(address)


async def test_a_postgresql_that_cannot_be_used(postgres: Postgres) -> None:
    good = postgres.url("postgres")
    nobody = good.replace(str(postgres.port), str(free_port()))
    for url, words, remedy in (
        (good.replace(PASSWORD, "s3cret-wrong"), "password authentication failed", "password in the secret"),
        (good.replace(USER, "stranger"), "password authentication failed", "user and password"),
        (postgres.url("missing"), "does not exist", "create the role and the database"),
        (nobody, "onnect", "can be reached"),
    ):
        message = await refusal(url)
        assert words in message
        assert remedy in message
        assert "127.0.0.1" in message


@pytest.mark.parametrize("store_kind", ["postgresql"], indirect=True)
async def test_another_programs_tables_in_postgresql(postgres: Postgres, empty_url: str) -> None:
    run_apart(postgres.execute("CREATE TABLE audit (mine int)", empty_url.rsplit("/", 1)[1]))
    assert "another program's tables" in await refusal(empty_url)


def test_a_store_shows_no_password(postgres: Postgres) -> None:
    async def shown() -> str:
        store = await open_store(postgres.url("postgres"))
        await store.close()
        return repr(store) + repr(store._writer) + repr(store._reader)

    assert "s3cret" not in run_apart(shown())


async def test_a_place_that_cannot_be_looked_at_is_a_clear_error(tmp_path: Path) -> None:
    for path in (tmp_path / ("n" * 300), tmp_path / "file" / "monitor.sqlite"):
        (tmp_path / "file").touch()
        with pytest.raises(UserError, match="; name a file in a folder"):
            await open_store(sqlite_url(path), create=False)
