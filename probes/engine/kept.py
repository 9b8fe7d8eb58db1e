"""Connections that are kept open from one probe of a target to its next, for those that ask for it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from probes.engine.exchange import Exchange
from probes.engine.stream import Stream
from probes.engine.wire import Wire

LONGEST_IDLE_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class _Kept:
    stream: Stream
    wire: Wire
    end: asyncio.TimerHandle  # closes it when nobody comes back


class KeptStreams:
    """At most one a target, by its name. Not more than that: a probe asks one thing at a time."""

    def __init__(self) -> None:
        self._kept: dict[str, _Kept] = {}

    def take(self, name: str, wire: Wire, exchange: Exchange) -> Stream | None:
        """The target's open connection, now of this exchange; None when there is none, it was closed meanwhile, or the
        target's address or request is another by now."""
        kept = self._kept.pop(name, None)
        if kept is None:
            return None
        kept.end.cancel()
        if kept.wire is wire and kept.stream.resume(exchange):
            return kept.stream
        kept.stream.close()
        return None

    def keep(self, name: str, wire: Wire, stream: Stream, seconds: float) -> None:
        """Until it is taken, or so long: a target may be gone by then."""
        self._drop(name)
        end = asyncio.get_running_loop().call_later(min(seconds, LONGEST_IDLE_SECONDS), self._drop, name)
        self._kept[name] = _Kept(stream, wire, end)

    def close(self) -> None:
        for name in tuple(self._kept):
            self._drop(name)

    def _drop(self, name: str) -> None:
        kept = self._kept.pop(name, None)
        if kept is not None:
            kept.end.cancel()
            kept.stream.close()
