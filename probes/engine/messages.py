"""What a worker process and its pool say to each other, and how it goes over their socket."""

from __future__ import annotations

import pickle
import struct
from dataclasses import dataclass

from probes.engine.schedule import Job
from probes.result import ProbeResult


@dataclass(frozen=True, slots=True)
class Assign:
    """To the worker: these are your jobs from now on."""

    jobs: tuple[Job, ...]


@dataclass(frozen=True, slots=True)
class Stop:
    """To the worker: start nothing more, let what runs finish within `deadline_seconds`, hand everything over, exit."""

    deadline_seconds: float


@dataclass(frozen=True, slots=True)
class Probing:
    """From the worker: the jobs are taken and their schedule runs."""


@dataclass(frozen=True, slots=True)
class Alive:
    """From the worker, now and then: its loop turns, though there may be nothing to tell."""


@dataclass(frozen=True, slots=True)
class Results:
    """From the worker. The counts are totals since it started."""

    batch: tuple[ProbeResult, ...]
    late: int
    dropped: int


@dataclass(frozen=True, slots=True)
class Trouble:
    """From the worker: a fault of its own, for the log."""

    what: str
    traceback: str


Message = Assign | Stop | Probing | Alive | Results | Trouble

LENGTH = struct.Struct("!I")


def encode(message: Message) -> bytes:
    body = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    return LENGTH.pack(len(body)) + body


def decode(body: bytes | memoryview) -> Message:
    """Both ends are one program: the socket pair was made by the parent and has no other reader or writer."""
    message: Message = pickle.loads(body)  # noqa: S301
    return message


class Frames:
    """Bytes as they come to whole messages."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Message]:
        self._buffer += data
        messages = []
        while len(self._buffer) >= LENGTH.size:
            end = LENGTH.size + LENGTH.unpack_from(self._buffer)[0]
            if len(self._buffer) < end:
                break
            messages.append(decode(bytes(self._buffer[LENGTH.size : end])))
            del self._buffer[:end]
        return messages
