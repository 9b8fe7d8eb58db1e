"""A database that fails under way: a typed error, nothing half written, and work goes on when it is back."""

from __future__ import annotations

import asyncio

import pytest
import sqlalchemy as sa

from monitor.store import Store, StoreUnavailable, database, open_store
from tests.support.incidents import NOON, OPEN, page, saved
from tests.support.postgres import Postgres, run_apart
from tests.support.stores import stuck


async def test_a_writer_waits_for_another_and_then_says_so(store_url: str) -> None:
    store = await open_store(store_url, lock_seconds=0.1)
    async with stuck(store_url):
        with pytest.raises(StoreUnavailable, match="lock") as caught:
            await saved(store)
        assert await store.incidents() == [], "readers do not wait"
    assert store.place in str(caught.value)
    assert await store.incidents() == []
    await saved(store)
    await store.close()


@pytest.mark.parametrize("store_kind", ["sqlite"], indirect=True)
async def test_a_full_disk_undoes_the_whole_change(store: Store) -> None:
    async with store._write() as connection:
        pages = (await connection.exec_driver_sql("PRAGMA page_count")).scalar_one()
        await connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(StoreUnavailable, match="full"):  # noqa: PT012
        async with store.write() as tx:
            await tx.save(OPEN)
            await tx.enqueue(page(), OPEN.id, NOON)
            await tx.pin_runbook("ab", "a.md", "x" * 100_000)
    assert await store.incidents() == []
    async with store._write() as connection:
        await connection.exec_driver_sql("PRAGMA max_page_count = 1000000")
    await saved(store)
    assert len(await store.incidents()) == 1


@pytest.mark.parametrize("store_kind", ["postgresql"], indirect=True)
async def test_a_server_that_goes_and_comes_back(store: Store, store_url: str, postgres: Postgres) -> None:
    await saved(store)
    name = store_url.rsplit("/", 1)[1]
    run_apart(postgres.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false"))
    ended = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
    with pytest.raises(StoreUnavailable):  # noqa: PT012
        async with store.write() as tx:
            await tx.allocate("api", "eu")
            run_apart(postgres.execute(ended))
            await tx.allocate("api", "eu")
    with pytest.raises(StoreUnavailable, match="not currently accepting connections"):
        await store.incidents()
    with pytest.raises(StoreUnavailable):
        await store.lease("one", NOON, 30, 10)
    run_apart(postgres.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true"))
    assert len(await store.incidents()) == 1
    async with store.write() as tx:
        assert await tx.allocate("api", "eu") == (2, 2)


@pytest.mark.parametrize("store_kind", ["postgresql"], indirect=True)
async def test_a_server_that_does_not_answer_any_more(store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "COMMAND_SECONDS", 0.3)
    store = await open_store(store_url)
    with pytest.raises(StoreUnavailable, match="no answer"):
        async with store._write() as connection:
            await connection.execute(sa.text("SELECT pg_sleep(20)"))
    await saved(store)
    await store.close()


async def test_writers_that_are_cancelled_leave_the_store_usable_and_whole(store: Store) -> None:
    """Cancelled at every point of a transaction: each is in the store as a whole or not at all."""

    async def write(name: str) -> None:
        async with store.write() as tx:
            number, episode = await tx.allocate("api", "eu")
            await tx.audit(NOON, name, "test", "wrote", str(number), {"episode": str(episode)})

    finished = set()
    for turns in range(40):
        task = asyncio.create_task(write(str(turns)))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled():
            task.result()
            finished.add(str(turns))
    await write("last")
    rows = await store.audit_rows()
    assert finished | {"last"} <= {row.actor for row in rows}
    assert [row.subject for row in rows] == [row.details["episode"] for row in rows]
    assert int(rows[0].subject) == len(rows), "no number is missing, so no half of a transaction was kept"


async def test_many_writers_in_one_process_take_turns(store: Store) -> None:
    async def write() -> int:
        async with store.write() as tx:
            number, _ = await tx.allocate("api", "eu")
            return number

    async def read() -> int:
        return len(await store.incidents())

    numbers = await asyncio.gather(*(write() for _ in range(30)), *(read() for _ in range(30)))
    assert sorted(numbers) == [0] * 30 + list(range(1, 31))


@pytest.mark.parametrize("store_kind", ["sqlite"], indirect=True)
async def test_a_reader_cannot_write(store: Store) -> None:
    with pytest.raises(StoreUnavailable, match="readonly"):
        async with store._read() as connection:
            await connection.exec_driver_sql("DELETE FROM outbox")


async def test_a_closed_store_can_be_left_behind(store_url: str) -> None:
    store = await open_store(store_url)
    await store.close()
    await store.close()
