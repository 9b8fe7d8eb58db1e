"""When which job is due: one heap of due times. Pure: the caller brings the time, on the monotonic clock."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b

from probes.target import Target

FIRST_WITHIN_SECONDS = 10.0
LATE_AFTER_SECONDS = 0.1
# Due times stand on a grid, so that a process wakes up once for several jobs: to wake up costs as much as half a probe.
# It is as coarse as makes for so many starts at a time, the last of which is then one or two milliseconds late.
STARTS_AT_A_TIME = 20
COARSEST_GRID_SECONDS = 0.1
FINEST_GRID_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class Job:
    """One target probed in one way, `every_seconds`; while it fails also `failing_every_seconds` after each probe."""

    kind: str  # a key of probes.PROBES
    target: Target
    every_seconds: float
    failing_every_seconds: float = math.inf
    key: str = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", f"{self.kind}:{self.target.name}")


@dataclass(frozen=True, slots=True)
class Start:
    """A job to start now, `late_seconds` after it was `due`. `reprobe`: beside its schedule, because it fails."""

    job: Job
    due: float
    late_seconds: float
    reprobe: bool = False


@dataclass(slots=True)
class _Entry:
    job: Job
    due: float
    reprobe_at: float | None = None


def phase_seconds(job: Job) -> float:
    """How long after the start the job is first due: fixed by its name, spread evenly over its interval, yet soon, so
    that what is done every 6 h need not be waited for."""
    share = int.from_bytes(blake2b(job.key.encode(), digest_size=8).digest(), "big") / 2**64
    return share * min(job.every_seconds, FIRST_WITHIN_SECONDS)


def late_after_seconds(job: Job) -> float:
    """From when on a start counts as late: what is done every 6 h is as good some minutes later."""
    return max(LATE_AFTER_SECONDS, job.every_seconds / 100)


def grid_seconds(jobs: Iterable[Job]) -> float:
    starts_a_second = sum(1 / job.every_seconds for job in jobs)
    wanted = STARTS_AT_A_TIME / starts_a_second if starts_a_second else COARSEST_GRID_SECONDS
    return min(COARSEST_GRID_SECONDS, max(FINEST_GRID_SECONDS, wanted))


def on_grid(at: float, grid: float = COARSEST_GRID_SECONDS) -> float:
    """The next time on the grid."""
    return math.ceil(at / grid) * grid


class Schedule:
    """Each job is due at its phase and then every `every_seconds`: late starts do not move what comes after.

    A job never overlaps itself, and of a kind in `at_once` no more than so many jobs run at a time: one that is due
    before it may start waits, and starts late. Start times that passed by whole intervals (the host slept) are not made
    up for by a burst: one start stands for them all and carries the lateness of the first; each is counted in `late`.

    A job that failed is started again sooner than it is due, as long as it fails; that moves none of its due times.
    """

    def __init__(self, jobs: Iterable[Job], now: float, *, at_once: Mapping[str, int] | None = None) -> None:
        self.late = 0  # starts that were late, and starts that never came
        self._at_once = at_once or {}
        self._entries: dict[str, _Entry] = {}
        self._heap: list[tuple[float, str]] = []
        self._waiting: dict[str, None] = {}  # due, but may not start yet; in the order in which they became due
        self._running: dict[str, str] = {}  # key: kind; also of those that are no job any more
        self.replace(jobs, now)

    def __len__(self) -> int:
        return len(self._entries)

    def replace(self, jobs: Iterable[Job], now: float) -> None:
        """Make these the jobs. One that is the same keeps its times; one that runs and goes away is let finish."""
        jobs = list(jobs)
        self._grid_seconds = grid_seconds(jobs)
        before, self._entries = self._entries, {}
        for job in jobs:
            entry = before.get(job.key)
            if entry is None or entry.job != job:
                entry = _Entry(job, on_grid(now + phase_seconds(job), self._grid_seconds))
            self._entries[job.key] = entry
        self._waiting = {key: None for key in self._waiting if self._entries.get(key) is before[key]}
        times = ((entry.due, key) for key, entry in self._entries.items() if key not in self._waiting)
        again = ((entry.reprobe_at, key) for key, entry in self._entries.items() if entry.reprobe_at is not None)
        self._heap = [*times, *again]
        heapq.heapify(self._heap)

    def next_due(self) -> float | None:
        """When `start_due` has something to do next; None: not before something has finished."""
        return self._heap[0][0] if self._heap else None

    def start_due(self, now: float) -> list[Start]:
        """What is to be started now; the caller says `finished` for each of them."""
        starts = []
        while self._heap and self._heap[0][0] <= now:
            at, key = heapq.heappop(self._heap)
            entry = self._entries[key]
            if at == entry.due:
                if self._may_start(key):
                    starts.append(self._start(key, now))
                else:
                    self._waiting[key] = None
            elif at == entry.reprobe_at:
                entry.reprobe_at = None
                if self._may_start(key):
                    self._running[key] = entry.job.kind
                    starts.append(Start(entry.job, at, max(0.0, now - at), reprobe=True))
        return starts

    def finished(self, key: str, now: float, *, failed_in_seconds: float | None = None) -> list[Start]:
        """This job is done, and has failed in that time if one is given; what waited for it is to be started now."""
        kind = self._running.pop(key)
        if failed_in_seconds is not None:
            self._plan_reprobe(key, now, failed_in_seconds)
        if not self._waiting:
            return []
        waited = [key] if kind not in self._at_once else list(self._waiting)
        return [self._start(each, now) for each in waited if each in self._waiting and self._may_start(each)]

    def _plan_reprobe(self, key: str, now: float, takes_seconds: float) -> None:
        """Unless it would still run when the job is due, taking as long as the last time."""
        entry = self._entries.get(key)
        if entry is None or key in self._waiting or not math.isfinite(entry.job.failing_every_seconds):
            return
        at = on_grid(now + entry.job.failing_every_seconds, self._grid_seconds)
        if at + takes_seconds <= entry.due and at < entry.due:
            entry.reprobe_at = at
            heapq.heappush(self._heap, (at, key))

    def _may_start(self, key: str) -> bool:
        if key in self._running:
            return False
        kind = self._entries[key].job.kind
        limit = self._at_once.get(kind)
        return limit is None or sum(running == kind for running in self._running.values()) < limit

    def _start(self, key: str, now: float) -> Start:
        entry = self._entries[key]
        due, every = entry.due, entry.job.every_seconds
        late_seconds = now - due
        missed = int(late_seconds / every)
        self.late += missed + (late_seconds > late_after_seconds(entry.job))
        entry.due += every * (missed + 1)
        self._waiting.pop(key, None)
        self._running[key] = entry.job.kind
        heapq.heappush(self._heap, (entry.due, key))
        return Start(entry.job, due, late_seconds)
