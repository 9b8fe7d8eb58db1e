from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest

from probes.engine.columns import Columns

CODES = {"count": "q", "seconds": "d"}


@pytest.mark.parametrize("shared", [False, True])
def test_columns_begin_at_0_and_keep_what_is_written(shared: bool) -> None:
    columns = Columns({"count": "q", "seconds": "d"}, 100, shared=shared)
    assert columns["count"].tolist() == [0] * 100
    columns["count"][99], columns["seconds"][0] = -(2**62), 0.1
    assert columns["count"][98:].tolist() == [0, -(2**62)]
    assert columns["seconds"][:2].tolist() == [0.1, 0.0]


def test_more_rows_keep_what_is_written() -> None:
    columns = Columns({"count": "q", "seconds": "d"}, 2)
    columns["count"][1], columns["seconds"][1] = 7, 0.5
    columns.enlarge(1000)
    assert columns["count"][1:3].tolist() == [7, 0]
    assert columns["seconds"][1:3].tolist() == [0.5, 0.0]
    assert (columns.capacity, len(columns["seconds"])) == (1000, 1000)


def test_shared_memory_does_not_grow_and_own_memory_goes_nowhere() -> None:
    with pytest.raises(ValueError, match="cannot grow"):
        Columns({"count": "q"}, 2, shared=True).enlarge(4)
    with pytest.raises(TypeError, match="only shared memory"):
        pickle.dumps(Columns({"count": "q"}, 2))


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize("shared", [False, True])
def test_rows_that_nobody_uses_take_no_memory(shared: bool) -> None:
    before = resident_bytes()
    columns = Columns(dict.fromkeys(map(str, range(100)), "q"), 1_000_000, shared=shared)
    for name in columns.codes:
        columns[name][1] = 1
    assert resident_bytes() - before < 20_000_000, "of 800 MB"


def test_the_file_of_shared_memory_is_closed_with_it() -> None:
    open_files = Path("/proc/self/fd")
    before = len(list(open_files.iterdir()))
    columns = Columns({"count": "q"}, 10, shared=True)
    assert len(list(open_files.iterdir())) > before
    del columns
    assert len(list(open_files.iterdir())) == before
