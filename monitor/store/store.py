"""The store: everything that must outlive the process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from monitor.store.incidents import IncidentReads
from monitor.store.minutes import MinuteRows
from monitor.store.outbox import Outbox
from monitor.store.results import ResultRows
from monitor.store.retention import Retention
from monitor.store.write import WriteTx


class Store(IncidentReads, Outbox, ResultRows, MinuteRows, Retention):
    """Opened by `open_store`. Every method raises StoreUnavailable when the database does not work now."""

    @asynccontextmanager
    async def write(self) -> AsyncIterator[WriteTx]:
        """One serialised transaction: committed at the end of the block, undone by any exception that leaves it.

        Keep it short, and open no second one inside: all writers of the store wait for it.
        """
        async with self._write() as connection:
            yield WriteTx(self, connection)
