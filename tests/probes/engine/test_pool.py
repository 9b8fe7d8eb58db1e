"""The pool: real worker processes against a real server."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from probes.engine import pool as pool_module
from probes.engine import seat as seat_module
from probes.engine.pool import WorkerPool, jobs_of
from probes.result import FailureReason, ProbeResult
from probes.target import Target
from tests.probes.support import eventually, soon, target
from tests.support.misbehaving import OK, Misbehaving, sends
from tests.support.nginx import Nginx
from tests.support.process import Process
from tests.support.wait import until


class Running:
    """A started pool and everything it gave so far."""

    def __init__(self, pool: WorkerPool) -> None:
        self.pool = pool
        self.results: list[ProbeResult] = []

    async def read(self) -> None:
        async for batch in self.pool.batches():
            self.results.extend(batch)

    def count(self) -> Counter[str]:
        return Counter(result.target for result in self.results)

    async def more_of(self, names: set[str], than: Counter[str]) -> None:
        """Wait until each of `names` was probed again."""
        what = f"another result of each of {sorted(names)}"
        await eventually(lambda: all(self.count()[name] > than[name] for name in names), what)


@asynccontextmanager
async def running(targets: Sequence[Target], *, processes: int = 1) -> AsyncIterator[Running]:
    """Started, read, and stopped at the end."""
    pool = WorkerPool(targets, "test", processes=processes)
    await pool.start()
    it = Running(pool)
    reading = asyncio.create_task(it.read())
    try:
        yield it
    finally:
        await pool.stop()
        await asyncio.wait_for(reading, 10)


def targets_at(url: str, count: int = 10, **options: object) -> list[Target]:
    return [target(url, **{"name": f"t{number}", "every": "300ms", **options}) for number in range(count)]


def gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return True
    return state == "Z"


async def test_every_target_is_probed_and_stopping_loses_nothing(tmp_path: Path) -> None:
    with Nginx(tmp_path) as nginx:
        async with running(targets_at(nginx.http_url, 20), processes=2) as it:
            await it.more_of({f"t{number}" for number in range(20)}, Counter())
            assert it.pool.stats().alive == it.pool.stats().workers == 2
            pids = it.pool.pids()
        assert all(result.ok for result in it.results), it.results
        # Each request that the server took has its result, those in flight at the end included.
        assert len(it.results) == nginx.served()
    stats = it.pool.stats()
    assert (stats.alive, stats.restarts, stats.dropped_results) == (0, 0, 0)
    assert all(gone(pid) for pid in pids)


async def test_what_is_in_flight_at_the_end_is_waited_for() -> None:
    with Misbehaving("never_answers") as server:
        async with running(soon(server.url, 5, every="5s", timeout="1s")) as it:
            await eventually(lambda: server.connections > 0, "a probe in flight")
        assert len(it.results) == server.connections
    assert {result.failure.reason for result in it.results if result.failure} == {FailureReason.TIMEOUT}


async def test_stopping_ends_by_its_deadline() -> None:
    with Misbehaving("never_answers") as server:
        pool = WorkerPool(soon(server.url, 3, every="60s", timeout="60s"), "test")
        await pool.start()
        await eventually(lambda: server.connections > 0, "a probe in flight")
        pids, began = pool.pids(), time.monotonic()
        await pool.stop(deadline_seconds=0.2)
    assert time.monotonic() - began < 15
    assert all(gone(pid) for pid in pids)
    assert [batch async for batch in pool.batches()] == []


async def test_a_worker_that_is_killed_is_replaced_and_its_targets_go_on(nginx: Nginx) -> None:
    names = {f"t{number}" for number in range(10)}
    async with running(targets_at(nginx.http_url), processes=2) as it:
        await it.more_of(names, Counter())
        killed, other = it.pool.pids()
        os.kill(killed, signal.SIGKILL)
        await eventually(lambda: it.pool.stats().restarts == 1 and it.pool.stats().alive == 2, "the restart")
        assert it.pool.stats().late_probes > 0  # what was due meanwhile
        await it.more_of(names, it.count())
        assert killed not in it.pool.pids()
        assert other in it.pool.pids()


async def test_a_pattern_that_would_search_for_ever_does_not_stop_the_others(nginx: Nginx) -> None:
    with Misbehaving(partial(sends, OK + b"\r\n" + b"a" * 60 + b"b")) as server:
        slow = target(server.url, name="slow", every="2s", expect={"body": {"regex": "(a+)+$"}})
        async with running([slow, *targets_at(nginx.http_url, 2)]) as it:
            await it.more_of({"slow"}, Counter())
            await it.more_of({"slow", "t0", "t1"}, it.count())
        found = {result.failure.reason for result in it.results if result.target == "slow" and result.failure}
    assert found == {FailureReason.BODY}
    assert it.pool.stats().restarts == 0


async def test_a_worker_that_hangs_at_the_end_is_killed(nginx: Nginx, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "KILL_AFTER_SECONDS", 0.2)
    async with running(targets_at(nginx.http_url)) as it:
        (pid,) = it.pool.pids()
        os.kill(pid, signal.SIGSTOP)
        await it.pool.stop(deadline_seconds=0.2)
        assert gone(pid)


async def test_a_worker_that_hangs_is_replaced(nginx: Nginx, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seat_module, "SILENT_SECONDS", 1.0)
    async with running(targets_at(nginx.http_url)) as it:
        await it.more_of({"t0"}, Counter())
        (pid,) = it.pool.pids()
        os.kill(pid, signal.SIGSTOP)
        await eventually(lambda: it.pool.stats().restarts == 1 and it.pool.stats().alive == 1, "the restart")
        await it.more_of({"t0"}, it.count())
        assert gone(pid)


async def test_a_worker_that_hangs_holds_up_neither_a_reload_nor_the_end(
    nginx: Nginx, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool_module, "KILL_AFTER_SECONDS", 0.2)
    async with running(targets_at(nginx.http_url)) as it:
        (pid,) = it.pool.pids()
        os.kill(pid, signal.SIGSTOP)
        async with asyncio.timeout(20):
            await it.pool.reload(targets_at(nginx.http_url, 1500))
            await it.pool.reload(targets_at(nginx.http_url, 1000))
            await it.pool.stop(deadline_seconds=0.2)
        assert gone(pid)


async def test_workers_that_never_come_up_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "START_SECONDS", 0.0)
    pool = WorkerPool([target("http://127.0.0.1/")], "test")
    with pytest.raises(pool_module.WorkersNotProbing):
        await pool.start()
    assert pool.pids() == ()


def restarted(pool: WorkerPool, times: int) -> bool:
    return pool.stats().restarts == times


async def test_a_worker_that_keeps_dying_is_restarted_less_and_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seat_module, "FIRST_PAUSE_SECONDS", 0.01)
    with capture_logs() as logs:
        async with running([target("http://127.0.0.1/")]) as it:
            for restarts in range(1, 4):
                os.kill(it.pool.pids()[0], signal.SIGKILL)
                await eventually(partial(restarted, it.pool, restarts), "the restart")
                await eventually(it.pool.pids, "its successor")
    assert [entry["pause_seconds"] for entry in logs if "pause_seconds" in entry] == [0.02, 0.04, 0.08]


async def test_a_reload_adds_and_takes_away_and_leaves_the_workers_alone(nginx: Nginx) -> None:
    before = targets_at(nginx.http_url, 4)
    async with running(before, processes=2) as it:
        await it.more_of({"t0", "t1", "t2", "t3"}, Counter())
        pids = it.pool.pids()
        await it.pool.reload([*before[:2], target(nginx.http_url, name="new", every="300ms")])
        await it.more_of({"t0", "t1", "new"}, it.count())
        settled = it.count()
        await it.more_of({"t0", "t1", "new"}, settled)
        assert all(it.count()[name] == settled[name] for name in ("t2", "t3"))
        assert it.pool.pids() == pids


def test_when_the_parent_is_killed_its_workers_end(nginx: Nginx, tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "tests.probes.engine.pool_program", nginx.http_url]
    with Process(argv, tmp_path / "program.log") as program:
        pids = json.loads(until(program.output, seconds=30, what="the workers' pids"))
        assert not any(gone(pid) for pid in pids)
        program.kill()
        until(lambda: all(gone(pid) for pid in pids), what="the end of the workers")


async def test_signals_of_a_terminal_do_not_end_a_worker_but_a_manager_s_drains_it(nginx: Nginx) -> None:
    async with running(targets_at(nginx.http_url)) as it:
        (pid,) = it.pool.pids()
        os.kill(pid, signal.SIGINT)
        os.kill(pid, signal.SIGHUP)
        await it.more_of({"t0"}, it.count())
        assert it.pool.pids() == (pid,)
        os.kill(pid, signal.SIGTERM)
        await eventually(lambda: it.pool.stats().restarts == 1, "the worker's end")


async def test_grades_are_made_in_a_process_of_their_own_that_alone_loads_sslyze(nginx: Nginx) -> None:
    graded = target(nginx.https_url, name="graded", tls={"grade": "A", "ca_file": nginx.ca_file})
    async with running([graded]) as it:
        probing, grading = it.pool.pids()
        assert it.pool.stats().workers == 2
        await eventually(lambda: {result.kind for result in it.results} == {"http", "tls_grade"}, "both", seconds=60)
        assert "_nassl" not in Path(f"/proc/{probing}/maps").read_text()
        assert os.getpriority(os.PRIO_PROCESS, grading) > os.getpriority(os.PRIO_PROCESS, probing)
    (grade,) = [result for result in it.results if result.kind == "tls_grade"]
    assert grade.failure is None
    assert grade.grade is not None


def test_the_jobs_of_a_target() -> None:
    graded = target("https://127.0.0.1/", tls={"grade": "A", "every": "6h"})
    assert [(job.kind, job.every_seconds) for job in jobs_of(graded)] == [("http", 10.0), ("tls_grade", 21600.0)]
    assert [job.kind for job in jobs_of(target("http://127.0.0.1/", tls={"grade": "A"}))] == ["http"]
    assert [job.kind for job in jobs_of(target("tcp://127.0.0.1:1"))] == ["tcp"]
