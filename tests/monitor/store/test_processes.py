"""Several real processes at one store: the daemon, the command line, a second daemon that comes up too early."""

from __future__ import annotations

import subprocess
import sys

from monitor.store import Store, open_store
from tests.support.incidents import NOON

PROCESSES = 2
WRITES = 20

# Opens the store with the others, at one time, then writes, reading first what it changes.
WRITER = f"""
import asyncio, sys
from datetime import UTC, datetime
from monitor.store import open_store

async def main(url, name):
    print("imported", flush=True)
    sys.stdin.readline()
    store = await open_store(url)
    for _ in range({WRITES}):
        async with store.write() as tx:
            number, episode = await tx.allocate("api", "eu")
            await asyncio.sleep(0)
            await tx.audit(datetime.now(UTC), name, "test", "wrote", str(number), {{"episode": str(episode)}})
    await store.close()

asyncio.run(main(*sys.argv[1:]))
"""

# Stops in the middle of a transaction and waits to be killed.
VICTIM = """
import asyncio, sys
from datetime import UTC, datetime
from monitor.store import open_store

async def main(url):
    store = await open_store(url)
    async with store.write() as tx:
        await tx.audit(datetime.now(UTC), "victim", "test", "wrote", "1", {})
        print("in the middle", flush=True)
        await asyncio.sleep(600)

asyncio.run(main(sys.argv[1]))
"""


def python(script: str, *args: str) -> subprocess.Popen[str]:
    argv = [sys.executable, "-c", script, *args]
    return subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline().strip()


async def test_processes_that_open_and_write_at_once_lose_nothing(empty_url: str) -> None:
    processes = [python(WRITER, empty_url, str(number)) for number in range(PROCESSES)]
    for process in processes:
        assert said(process) == "imported"
    for process in processes:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
    store = await open_store(empty_url)
    rows = await store.audit_rows(limit=1000)
    await store.close()
    total = PROCESSES * WRITES
    assert sorted(int(row.subject) for row in rows) == list(range(1, total + 1))
    assert sorted(int(row.details["episode"]) for row in rows) == list(range(1, total + 1))


async def test_a_writer_that_is_killed_leaves_neither_half_a_change_nor_a_lock(store: Store, store_url: str) -> None:
    victim = python(VICTIM, store_url)
    assert said(victim) == "in the middle"
    victim.kill()
    victim.communicate(timeout=10)
    async with store.write() as tx:
        await tx.audit(NOON, "survivor", "test", "wrote", "2", {})
    assert [row.actor for row in await store.audit_rows()] == ["survivor"]
