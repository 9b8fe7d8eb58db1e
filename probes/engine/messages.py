"""What a worker process and its pool say to each other, and how it goes over their socket."""

from __future__ import annotations

import copyreg
import io
import pickle
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from operator import attrgetter
from typing import Any

from probes import result as results_module
from probes.engine.schedule import Job
from probes.result import ProbeResult


@dataclass(frozen=True, slots=True)
class Assign:
    """To the worker: these are your jobs from now on; `rows` of its tally, by the name of the target."""

    jobs: tuple[Job, ...]
    rows: Mapping[str, int] = field(default_factory=dict)


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


def _reducer(kind: type) -> Callable[[Any], tuple[Any, ...]]:
    names = [each.name for each in fields(kind)]
    values = attrgetter(*names)
    return lambda each: (_made, (kind, *values(each)))


def _made(kind: type, *values: Any) -> Any:
    made: Any = object.__new__(kind)
    for write, value in zip(_WRITERS[kind], values, strict=True):
        write(made, value)
    return made


_FACTS = [kind for kind in vars(results_module).values() if isinstance(kind, type) and is_dataclass(kind)]
_WRITERS = {kind: [getattr(kind, each.name).__set__ for each in fields(kind)] for kind in _FACTS}


class _Pickler(pickle.Pickler):
    """Frozen dataclasses with slots pickle by way of two calls in Python that look up their fields each time. All
    results go through here, so theirs are looked up once; it takes a third of the time."""

    dispatch_table = {**copyreg.dispatch_table, **{kind: _reducer(kind) for kind in _FACTS}}  # noqa: RUF012


def encode(message: Message) -> bytes:
    body = io.BytesIO()
    body.write(bytes(LENGTH.size))
    _Pickler(body, pickle.HIGHEST_PROTOCOL).dump(message)
    frame = body.getbuffer()
    LENGTH.pack_into(frame, 0, len(frame) - LENGTH.size)
    return bytes(frame)


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
