"""A table of 8-byte numbers, column by column in one piece of memory that one process writes and another may read."""

from __future__ import annotations

import mmap
import os
import tempfile
import weakref
from collections.abc import Mapping
from multiprocessing.reduction import DupFd
from typing import Any, Literal

Code = Literal["q", "d"]
"""What a column holds: whole numbers or floats, as `struct` spells them."""

WIDTH_BYTES = 8


class Columns:
    """`columns[name]` is a column as a memoryview of its type: a reader has a part of it by one `.tolist()`.

    No lock: an aligned number of 8 bytes is read whole. Memory that nobody touched is 0 and costs nothing, so that
    `capacity` (rows) may be generous. `shared` memory can be given to a process as an argument while it is spawned, and
    outlives it.
    """

    def __init__(self, codes: Mapping[str, Code], capacity: int, *, shared: bool = False) -> None:
        self.codes = codes
        self.capacity = capacity
        self._file = _nameless_file(len(codes) * capacity * WIDTH_BYTES) if shared else None
        self._views = _views(codes, capacity, self._file)

    def __getitem__(self, name: str) -> memoryview[Any]:
        return self._views[name]

    def enlarge(self, capacity: int) -> None:
        """More rows, of memory that is not shared. Views that were taken before go on showing the memory before."""
        if self._file is not None:
            raise ValueError("shared memory cannot grow: another process has it as it is")
        views = _views(self.codes, capacity, None)
        for name, view in views.items():
            view[: self.capacity] = self._views[name]
        self._views, self.capacity = views, capacity

    def __reduce__(self) -> tuple[Any, ...]:
        if self._file is None:
            raise TypeError("only shared memory can be given to another process")
        return _received, (dict(self.codes), self.capacity, DupFd(self._file.number))


class _File:
    """An open file; it is closed when nothing refers to it. What has it mapped keeps its memory."""

    def __init__(self, number: int) -> None:
        self.number = number
        weakref.finalize(self, os.close, number)


def _nameless_file(size_bytes: int) -> _File:
    if hasattr(os, "memfd_create"):
        number = os.memfd_create("columns")
    else:  # not made for every platform
        with tempfile.TemporaryFile() as nameless:
            number = os.dup(nameless.fileno())
    file = _File(number)
    os.ftruncate(number, size_bytes)
    return file


def _views(codes: Mapping[str, Code], capacity: int, file: _File | None) -> dict[str, memoryview[Any]]:
    column_bytes = capacity * WIDTH_BYTES
    if file is None:
        # Private: a page of it that is only read takes no memory, one of shared anonymous memory would.
        memory = mmap.mmap(-1, len(codes) * column_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    else:
        memory = mmap.mmap(file.number, len(codes) * column_bytes)
    whole = memoryview(memory)
    return {
        name: whole[number * column_bytes : (number + 1) * column_bytes].cast(code)
        for number, (name, code) in enumerate(codes.items())
    }


def _received(codes: Mapping[str, Code], capacity: int, handle: Any) -> Columns:
    columns = Columns.__new__(Columns)
    columns.codes, columns.capacity, columns._file = codes, capacity, _File(handle.detach())
    columns._views = _views(codes, capacity, columns._file)
    return columns
