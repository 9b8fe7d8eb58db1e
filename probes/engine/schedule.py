"""When which job is due: one heap of due times. Pure: the caller brings the time, on the monotonic clock."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b

from probes.target import Target

FIRST_WITHIN_SECONDS = 10.0
LATE_AFTER_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Job:
    """One target probed in one way, `every_seconds`."""

    kind: str  # a key of probes.PROBES
    target: Target
    every_seconds: float

    @property
    def key(self) -> str:
        return f"{self.kind}:{self.target.name}"


@dataclass(frozen=True, slots=True)
class Start:
    """A job to start now, `late_seconds` after it was due."""

    job: Job
    late_seconds: float


@dataclass(slots=True)
class _Entry:
    job: Job
    due: float
    queued: bool = True  # its due time is in the heap; if not, it became due while it ran


def phase_seconds(job: Job) -> float:
    """How long after the start the job is first due: fixed by its name, spread evenly over its interval, yet soon, so
    that what is done every 6 h need not be waited for."""
    share = int.from_bytes(blake2b(job.key.encode(), digest_size=8).digest(), "big") / 2**64
    return share * min(job.every_seconds, FIRST_WITHIN_SECONDS)


class Schedule:
    """Each job is due at its phase and then every `every_seconds`: late starts do not move what comes after.

    A job never overlaps itself: one that is due while it runs starts as soon as it has finished, late. Start times that
    passed by whole intervals (the host slept) are not made up for by a burst; one start stands for them all and carries
    the lateness of the first, and each is counted in `late`.
    """

    def __init__(self, jobs: Iterable[Job], now: float) -> None:
        self.late = 0  # starts more than LATE_AFTER_SECONDS after they were due, and starts that never came
        self._entries: dict[str, _Entry] = {}
        self._running: set[str] = set()  # also those that are no job any more
        self._heap: list[tuple[float, str]] = []
        self.replace(jobs, now)

    def __len__(self) -> int:
        return len(self._entries)

    def replace(self, jobs: Iterable[Job], now: float) -> None:
        """Make these the jobs. One that is the same keeps its times; one that runs and goes away is let finish."""
        before, self._entries = self._entries, {}
        for job in jobs:
            entry = before.get(job.key)
            if entry is None or entry.job != job:
                entry = _Entry(job, now + phase_seconds(job))
            self._entries[job.key] = entry
        self._heap = [(entry.due, key) for key, entry in self._entries.items() if entry.queued]
        heapq.heapify(self._heap)

    def next_due(self) -> float | None:
        """When `start_due` has something to do next; None: nothing is waiting."""
        return self._heap[0][0] if self._heap else None

    def start_due(self, now: float) -> list[Start]:
        """What is to be started now; the caller says `finished` for each of them."""
        starts = []
        while self._heap and self._heap[0][0] <= now:
            _, key = heapq.heappop(self._heap)
            entry = self._entries[key]
            entry.queued = False
            if key not in self._running:
                starts.append(self._start(entry, now))
        return starts

    def finished(self, key: str, now: float) -> Start | None:
        """The job is done; it is started again at once when it became due while it ran."""
        self._running.discard(key)
        entry = self._entries.get(key)
        return None if entry is None or entry.queued else self._start(entry, now)

    def _start(self, entry: _Entry, now: float) -> Start:
        late_seconds = now - entry.due
        every = entry.job.every_seconds
        missed = int(late_seconds / every)
        self.late += missed + (late_seconds > LATE_AFTER_SECONDS)
        entry.due += every * (missed + 1)
        entry.queued = True
        self._running.add(entry.job.key)
        heapq.heappush(self._heap, (entry.due, entry.job.key))
        return Start(entry.job, late_seconds)
