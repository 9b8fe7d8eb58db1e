"""Lookups that go on: those who ask for one name at the same time share one, and there is a bound on them all."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from probes.engine.resolve import Known

LookUp = Callable[[str], Awaitable[Known]]
"""Never raises for what a network does: that is a Known with a failure."""


class Lookups:
    def __init__(self, look_up: LookUp, at_once: int) -> None:
        self._look_up = look_up
        self._at_once = at_once
        self._loop: asyncio.AbstractEventLoop | None = None
        self._room = asyncio.Semaphore(at_once)
        self._going_on: dict[str, asyncio.Task[Known]] = {}

    async def shared(self, host: str) -> Known:
        """One who gives up leaves the lookup to the others."""
        loop = self._in_this_loop()
        lookup = self._going_on.get(host)
        if lookup is None:
            lookup = loop.create_task(self.alone(host))
            going_on = self._going_on
            going_on[host] = lookup
            lookup.add_done_callback(lambda _: going_on.pop(host, None))
        return await asyncio.shield(lookup)

    async def alone(self, host: str) -> Known:
        self._in_this_loop()
        async with self._room:
            return await self._look_up(host)

    def _in_this_loop(self) -> asyncio.AbstractEventLoop:
        """Nothing of another loop, such as one of before, can be waited for in this one."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._loop, self._room, self._going_on = loop, asyncio.Semaphore(self._at_once), {}
        return loop
