"""Batches from several workers to one reader."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator

from probes.result import ProbeResult

Batch = tuple[ProbeResult, ...]
CAPACITY_BATCHES = 64


class Inbox:
    """Bounded: who puts waits while it is full, so that a slow reader slows the workers' sockets down. `open_wide`
    lifts the bound for the end, when what the workers still hold is finite and must not be lost."""

    def __init__(self, capacity: int = CAPACITY_BATCHES) -> None:
        self._capacity: float = capacity
        self._batches: deque[Batch] = deque()
        self._closed = False
        self._changed = asyncio.Condition()

    async def put(self, batch: Batch) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: len(self._batches) < self._capacity)
            self._batches.append(batch)
            self._changed.notify_all()

    async def batches(self) -> AsyncIterator[Batch]:
        while True:
            async with self._changed:
                await self._changed.wait_for(lambda: self._batches or self._closed)
                if not self._batches:
                    return
                batch = self._batches.popleft()
                self._changed.notify_all()
            yield batch

    async def open_wide(self) -> None:
        async with self._changed:
            self._capacity = float("inf")
            self._changed.notify_all()

    async def close(self) -> None:
        async with self._changed:
            self._closed = True
            self._changed.notify_all()
