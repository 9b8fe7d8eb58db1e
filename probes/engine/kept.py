"""Connections that are kept open from one probe of a target to its next, for those that ask for it."""

from __future__ import annotations

import time
from dataclasses import dataclass

from probes.engine.exchange import Exchange
from probes.engine.stream import Stream
from probes.engine.wire import Wire

LONGEST_IDLE_SECONDS = 3600.0
SWEEP_EVERY_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class _Kept:
    stream: Stream
    wire: Wire
    until: float  # on the monotonic clock


class KeptStreams:
    """At most one a target, by its name. Not more than that: a probe asks one thing at a time."""

    def __init__(self) -> None:
        self._kept: dict[str, _Kept] = {}
        self._swept = time.monotonic()

    def take(self, name: str, wire: Wire, exchange: Exchange) -> Stream | None:
        """The target's open connection, now of this exchange; None when there is none, it was closed meanwhile, or the
        target's address or request is another by now."""
        kept = self._kept.pop(name, None)
        if kept is None:
            return None
        if kept.wire is wire and kept.stream.resume(exchange):
            return kept.stream
        kept.stream.close()
        return None

    def keep(self, name: str, wire: Wire, stream: Stream, seconds: float) -> None:
        """Until it is taken, or so long: a target may be gone by then."""
        now = time.monotonic()
        before = self._kept.pop(name, None)
        if before is not None:
            before.stream.close()
        self._kept[name] = _Kept(stream, wire, now + min(seconds, LONGEST_IDLE_SECONDS))
        if now - self._swept > SWEEP_EVERY_SECONDS:
            self._sweep(now)

    def close(self) -> None:
        for kept in self._kept.values():
            kept.stream.close()
        self._kept.clear()

    def _sweep(self, now: float) -> None:
        self._swept = now
        for name in [name for name, kept in self._kept.items() if kept.until < now]:
            self._kept.pop(name).stream.close()
