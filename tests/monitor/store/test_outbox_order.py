"""Whatever senders do, crash and forget: a key's events are taken in order, one at a time, and none is lost."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from datetime import timedelta
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.store import OutboxRow, Store, open_store, sqlite_url
from tests.support.incidents import NOON, page, saved

LEASE_SECONDS = 30.0
KEYS = ("api", "web")
SENDERS = ("one", "two")

commands = st.one_of(
    st.tuples(st.just("enqueue"), st.sampled_from(KEYS)),
    st.tuples(st.just("lease"), st.sampled_from(SENDERS)),
    st.tuples(st.sampled_from(["sent", "retry", "parked", "forget"]), st.sampled_from(SENDERS)),
    st.tuples(st.just("pass"), st.sampled_from(["5", "31"])),
)


class Senders:
    """Two senders of one outbox, and what must be true of it."""

    def __init__(self, store: Store, incidents: dict[str, int]) -> None:
        self.store = store
        self.incidents = incidents
        self.now = NOON
        self.waiting: dict[str, list[int]] = {key: [] for key in KEYS}
        self.held: dict[str, list[OutboxRow]] = {sender: [] for sender in SENDERS}
        self.leases: dict[int, tuple[str, float]] = {}  # row -> (sender, seconds left)

    async def enqueue(self, key: str) -> None:
        async with self.store.write() as tx:
            row_id = await tx.enqueue(page(dedup_key=key), self.incidents[key], self.now)
        self.waiting[key].append(row_id)

    async def lease(self, sender: str) -> None:
        for row in await self.store.lease(sender, self.now, LEASE_SECONDS, 10):
            assert self.waiting[row.event.dedup_key][0] == row.id, "not the oldest of its key"
            assert row.id not in self.leases, "somebody is at it"
            self.leases[row.id] = (sender, LEASE_SECONDS)
            self.held[sender].append(row)

    async def mark(self, verb: str, sender: str) -> None:
        if not self.held[sender]:
            return
        row = self.held[sender].pop(0)
        if verb == "forget":  # it crashed: the lease runs out by itself
            return
        if verb == "retry":
            marked = await self.store.mark_retry(row.id, sender, self.now + timedelta(seconds=5), "503")
        elif verb == "sent":
            marked = await self.store.mark_sent(row.id, sender, self.now)
        else:
            marked = await self.store.mark_parked(row.id, sender, self.now, "refused")
        if marked and verb != "retry":
            self.waiting[row.event.dedup_key].remove(row.id)
        if marked:
            self.leases.pop(row.id, None)
        elif row.id in self.leases:
            assert self.leases[row.id][0] != sender, "the holder of the lease was refused"

    def let_pass(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        left = {row_id: (sender, rest - seconds) for row_id, (sender, rest) in self.leases.items()}
        self.leases = {row_id: lease for row_id, lease in left.items() if lease[1] > 0}

    async def run(self, command: tuple[str, str]) -> None:
        verb, argument = command
        if verb == "enqueue":
            await self.enqueue(argument)
        elif verb == "lease":
            await self.lease(argument)
        elif verb == "pass":
            self.let_pass(float(argument))
        else:
            await self.mark(verb, argument)

    async def drain(self) -> None:
        while any(self.waiting.values()):
            self.let_pass(LEASE_SECONDS + 1)
            rows = await self.store.lease("last", self.now, LEASE_SECONDS, 10)
            assert {row.id for row in rows} == {ids[0] for ids in self.waiting.values() if ids}
            for row in rows:
                assert await self.store.mark_sent(row.id, "last", self.now)
                self.waiting[row.event.dedup_key].remove(row.id)


async def play(path: Path, script: list[tuple[str, str]]) -> None:
    store = await open_store(sqlite_url(path))
    try:
        senders = Senders(store, {key: (await saved(store, target=key)).id for key in KEYS})
        for command in script:
            await senders.run(command)
        await senders.drain()
        assert (await store.outbox_stats(senders.now)).pending == 0
    finally:
        await store.close()


@settings(max_examples=20, deadline=None)
@given(script=st.lists(commands, min_size=5, max_size=30))
def test_events_are_taken_in_order_one_at_a_time_and_none_is_lost(
    sqlite_template: Path, script: list[tuple[str, str]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "monitor.sqlite"
        shutil.copy(sqlite_template, path)
        asyncio.run(play(path, script))
