"""Results on their way from the probe workers to the pipeline: in this process now, the seam for a broker later."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from probes.result import ProbeResult

Batch = Sequence[ProbeResult]


class Bus(Protocol):
    async def publish(self, batch: Batch) -> None:
        """Hand a batch over; waits while the bus is full: a slow reader slows its writer, nothing is lost."""
        ...

    def batches(self) -> AsyncIterator[Batch]:
        """What was published, in order; ends when the bus was closed and is empty."""
        ...

    async def close(self) -> None: ...


class LocalBus:
    """A bounded queue in memory. The workers' own buffers take over while it is full."""

    def __init__(self, capacity_batches: int = 256) -> None:
        self._queue: asyncio.Queue[Batch | None] = asyncio.Queue(capacity_batches)

    async def publish(self, batch: Batch) -> None:
        await self._queue.put(batch)

    async def batches(self) -> AsyncIterator[Batch]:
        while (batch := await self._queue.get()) is not None:
            yield batch

    async def close(self) -> None:
        await self._queue.put(None)
