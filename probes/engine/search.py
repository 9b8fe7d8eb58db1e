"""A user's patterns and paths over what a service sent, within a bound of CPU time."""

from __future__ import annotations

import gc
import re
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from types import FrameType

# A pattern such as (a+)+$ can take for ever on a short text, and would hold up every other target of the process.
SEARCH_CPU_SECONDS = 0.25


class SearchTooLong(Exception):
    """It was still searching when its CPU time was used up."""

    def __init__(self) -> None:
        super().__init__(f"took more than {SEARCH_CPU_SECONDS} s of CPU")


class SearchTime:
    """CPU time for all the searches of one probe: a server must not get it anew with each line that it sends."""

    def __init__(self) -> None:
        self.left_seconds = SEARCH_CPU_SECONDS

    def find(self, pattern: str, text: str) -> re.Match[str] | None:
        """As `find`, with what is left. Raises SearchTooLong."""
        if self.left_seconds <= 0:
            raise SearchTooLong
        began = time.thread_time()
        try:
            return find(pattern, text, self.left_seconds)
        finally:
            self.left_seconds -= time.thread_time() - began


@contextmanager
def cpu_bound(cpu_seconds: float = SEARCH_CPU_SECONDS) -> Iterator[None]:
    """Raises SearchTooLong in what is done inside when that takes too long.

    `re` holds the interpreter while it searches, but it looks for signals now and then: a timer of CPU time
    interrupts it. Only a main thread gets signals, and a probe worker probes in its main thread; elsewhere the search
    is not bounded.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    armed = True

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        if armed:
            raise SearchTooLong

    collects = gc.isenabled()
    gc.disable()  # what is raised in a callback of the garbage collector goes nowhere
    before = signal.signal(signal.SIGVTALRM, interrupt)
    signal.setitimer(signal.ITIMER_VIRTUAL, cpu_seconds)
    try:
        yield
    finally:
        armed = False
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
        if collects:
            gc.enable()


@lru_cache(maxsize=16384)
def compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def search(pattern: str, text: str) -> bool:
    """Whether `pattern` is in `text`. Raises SearchTooLong."""
    return find(pattern, text) is not None


def find(pattern: str, text: str, cpu_seconds: float = SEARCH_CPU_SECONDS) -> re.Match[str] | None:
    """The first match of `pattern` in `text`, within a bound of CPU time. Raises SearchTooLong."""
    expression = compiled(pattern)  # no part of what is bounded
    with cpu_bound(cpu_seconds):
        return expression.search(text)
