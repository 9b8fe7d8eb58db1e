"""The driver `sink`: pages as lines of a file, for drills, demos and hosts without a pager."""

from __future__ import annotations

import asyncio
import errno
import os
import stat
from pathlib import Path

from alerts.pagerduty.body import body_of, encode
from alerts.pagerduty.event import PageEvent, PagerRetry, Receipt

DEADLINE_SECONDS = 10.0


class FileSink:
    """A Pager that appends one line of JSON an event (the Events v2 body without a routing key), mode 0600, synced."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __repr__(self) -> str:
        return f"FileSink({self._path})"

    async def send(self, event: PageEvent) -> Receipt:
        line = encode(body_of(event, None)) + b"\n"
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                await asyncio.to_thread(self._append, line)
        except TimeoutError:
            raise PagerRetry(f"writing to {self._path} took over {DEADLINE_SECONDS:g} s") from None
        except OSError as error:
            raise PagerRetry(f"cannot write to {self._path}: {error.strerror}", misconfigured=True) from None
        return Receipt(f"written to {self._path}")

    async def close(self) -> None:
        """Nothing is kept open between events."""

    def _append(self, line: bytes) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        # O_NONBLOCK: a named pipe that nobody reads is an error here, not an endless wait.
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC
        file = os.open(self._path, flags, 0o600)
        try:
            status = os.fstat(file)
            if not stat.S_ISREG(status.st_mode):
                raise OSError(errno.EINVAL, "it is not a regular file")
            size = status.st_size
            if size and os.pread(file, 1, size - 1) != b"\n":
                line = b"\n" + line  # a full disk or a crash cut the last line; it must not spoil this one
            written = os.write(file, line)
            os.fsync(file)
        finally:
            os.close(file)
        if written < len(line):
            raise OSError(errno.ENOSPC, "only a part of the line could be written; the disk may be full")
