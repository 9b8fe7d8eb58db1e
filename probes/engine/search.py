"""Regular expressions of the user's over text of a service's, within a bound of CPU time."""

from __future__ import annotations

import re
import signal
import threading
import time
from functools import lru_cache
from types import FrameType

# A pattern such as (a+)+$ can take for ever on a short text, and would hold up every other target of the process.
SEARCH_CPU_SECONDS = 0.25


class SearchTooLong(Exception):
    """The pattern was still searching when its CPU time was used up."""


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


@lru_cache(maxsize=16384)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def search(pattern: str, text: str) -> bool:
    """Whether `pattern` is in `text`. Raises SearchTooLong."""
    return find(pattern, text) is not None


def find(pattern: str, text: str, cpu_seconds: float = SEARCH_CPU_SECONDS) -> re.Match[str] | None:
    """The first match of `pattern` in `text`, within a bound of CPU time. Raises SearchTooLong.

    `re` holds the interpreter while it searches, but it looks for signals now and then: a timer of CPU time
    interrupts it. Only a main thread gets signals, and a probe worker probes in its main thread; elsewhere the search
    is not bounded.
    """
    compiled = _compiled(pattern)
    if threading.current_thread() is not threading.main_thread():
        return compiled.search(text)
    armed = True

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        if armed:
            raise SearchTooLong

    before = signal.signal(signal.SIGVTALRM, interrupt)
    signal.setitimer(signal.ITIMER_VIRTUAL, cpu_seconds)
    try:
        return compiled.search(text)
    finally:
        armed = False
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
