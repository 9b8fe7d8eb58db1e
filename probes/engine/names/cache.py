"""What is known of names, each for as long as its answer was said to be good, within bounds. Pure."""

from __future__ import annotations

from probes.engine.resolve import Known

MAX_NAMES = 20_000
SHORTEST_SECONDS = 1.0  # a name whose answers may not be kept at all is asked for once a second
LONGEST_SECONDS = 3600.0
LONGEST_MISSING_SECONDS = 10.0  # a name that is back must be seen


class NameCache:
    """Never gives what has ended. When it is full the name that was put in longest ago makes room."""

    __slots__ = ("_known", "_max_names")

    def __init__(self, max_names: int = MAX_NAMES) -> None:
        self._known: dict[str, Known] = {}
        self._max_names = max_names

    def __len__(self) -> int:
        return len(self._known)

    def get(self, host: str, now: float) -> Known | None:
        known = self._known.get(host)
        return known if known is not None and now < known.until else None

    def put(self, known: Known) -> None:
        self._known.pop(known.host, None)
        if len(self._known) >= self._max_names:
            del self._known[next(iter(self._known))]
        self._known[known.host] = known

    def clear(self) -> None:
        self._known.clear()


def kept_seconds(ttl_seconds: float, *, whole: bool) -> float:
    """How long an answer is kept. It is `whole` when the name has an address, and each IP version was answered for."""
    longest_seconds = LONGEST_SECONDS if whole else LONGEST_MISSING_SECONDS
    return max(SHORTEST_SECONDS, min(ttl_seconds, longest_seconds))
