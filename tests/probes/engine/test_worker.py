"""The worker's side of the socket, in this process: the test is the pool."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from collections.abc import AsyncIterator

import pytest

import probes
from probes.engine import worker as worker_module
from probes.engine.messages import LENGTH, Alive, Assign, Message, Probing, Results, Stop, Trouble, decode, encode
from probes.engine.schedule import Job
from probes.engine.worker import Worker
from probes.result import FailureReason, ProbeResult
from probes.target import Target
from tests.probes.support import eventually, reason, soon, target
from tests.support.misbehaving import Misbehaving
from tests.support.nginx import Nginx


class PoolSide:
    """What the pool does, by hand."""

    def __init__(self, worker: Worker, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.worker, self._reader, self._writer = worker, reader, writer

    def say(self, message: Message) -> None:
        self._writer.write(encode(message))

    async def hear(self) -> Message:
        async with asyncio.timeout(20):
            (length,) = LENGTH.unpack(await self._reader.readexactly(LENGTH.size))
            return decode(await self._reader.readexactly(length))

    async def batch(self) -> tuple[ProbeResult, ...]:
        """The next; other messages are passed over."""
        while not isinstance(message := await self.hear(), Results):
            pass
        return message.batch

    async def first_result(self) -> ProbeResult:
        return (await self.batch())[0]

    def leave(self) -> None:
        self._writer.close()


@pytest.fixture
async def pool() -> AsyncIterator[PoolSide]:
    ours, theirs = socket.socketpair()
    reader, writer = await asyncio.open_unix_connection(sock=ours)
    _, worker = await asyncio.get_running_loop().create_unix_connection(lambda: Worker("test"), sock=theirs)
    yield PoolSide(worker, reader, writer)
    writer.close()
    await asyncio.wait_for(worker.ended, 10)
    worker.stop(0)


def job(url: str, **options: object) -> Job:
    return job_of(target(url, **{"every": "300ms", **options}))


def job_of(asked: Target) -> Job:
    return Job(asked.kind, asked, asked.every.total_seconds())


async def test_it_says_when_it_probes_and_sends_what_it_saw(pool: PoolSide, nginx: Nginx) -> None:
    pool.say(Assign((job(nginx.http_url),)))
    assert await pool.hear() == Probing()
    result = await pool.first_result()
    assert result.ok
    assert result.region == "test"
    assert result.late_seconds >= 0


@pytest.fixture
def quickly_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_module, "ALIVE_EVERY_SECONDS", 0.05)


@pytest.mark.usefixtures("quickly_alive")
async def test_it_is_heard_of_even_without_work(pool: PoolSide) -> None:
    assert [await pool.hear() for _ in range(2)] == [Alive(), Alive()]


async def test_a_probe_that_raises_is_a_result_and_a_line_in_the_log(
    pool: PoolSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(probes.PROBES, "http", "tests.probes.engine.broken_probes")
    pool.say(Assign((job("http://127.0.0.1/"),)))
    messages = [await pool.hear() for _ in range(4)]
    (trouble,) = [message for message in messages if isinstance(message, Trouble)]  # not one for each probe
    assert "ZeroDivisionError: while probing t from test" in trouble.traceback
    results = [message for message in messages if isinstance(message, Results)]
    assert len(results) == 2
    for result in results:
        failure = result.batch[0].failure
        assert failure is not None
        assert failure.reason is FailureReason.INTERNAL
        assert "ZeroDivisionError" in failure.detail


async def test_a_kind_that_cannot_be_loaded_is_told_and_the_others_are_probed(
    pool: PoolSide, nginx: Nginx, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(probes.PROBES, "tcp", "tests.probes.engine.no_such_module")
    pool.say(Assign((job("tcp://127.0.0.1:1"), job(nginx.http_url))))
    trouble = await pool.hear()
    assert isinstance(trouble, Trouble)
    assert "no_such_module" in trouble.traceback
    assert await pool.hear() == Probing()
    reasons: dict[str, FailureReason | None] = {}
    while len(reasons) < 2:
        reasons |= {result.kind: reason(result) for result in await pool.batch()}
    assert reasons == {"tcp": FailureReason.INTERNAL, "http": None}


async def test_a_probe_that_never_ends_does_not_silence_its_target(
    pool: PoolSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(probes.PROBES, "http", "tests.probes.engine.broken_probes")
    monkeypatch.setattr(worker_module, "DEFAULT_OVERRUN_SECONDS", 0.0)
    pool.say(Assign((job("http://127.0.0.1/", name="hangs"),)))
    for _ in range(2):
        result = await pool.first_result()
        assert result.failure is not None
        assert result.failure.reason is FailureReason.INTERNAL


async def test_stopping_lets_what_runs_finish_and_hands_it_over(pool: PoolSide) -> None:
    with Misbehaving("never_answers") as server:
        pool.say(Assign((job(server.url, every="1s", timeout="1s"),)))
        assert await pool.hear() == Probing()
        await eventually(lambda: server.connections, "a probe in flight")
        pool.say(Stop(30))
        result = await pool.first_result()
        assert result.failure is not None
        assert result.failure.reason is FailureReason.TIMEOUT
        with pytest.raises(asyncio.IncompleteReadError):
            await pool.hear()
        assert server.connections == 1


async def test_stopping_does_not_wait_longer_than_it_was_told(pool: PoolSide) -> None:
    with Misbehaving("never_answers") as server:
        (slow,) = soon(server.url, 1, every="60s", timeout="60s")
        pool.say(Assign((job_of(slow),)))
        await eventually(lambda: server.connections, "a probe in flight")
        pool.say(Stop(0.1))
        await asyncio.wait_for(pool.worker.ended, 10)


async def test_it_ends_when_the_pool_goes_away(pool: PoolSide) -> None:
    pool.leave()
    await asyncio.wait_for(pool.worker.ended, 10)


def test_a_worker_that_fails_itself_tells_where_but_not_what() -> None:
    """It cannot redact: the words of an error, here those of the socket that is none of a pool, may hold a secret."""
    program = "import socket; from probes.engine.worker import main; main(socket.socket(), 'test', 0)"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert ended.stderr.startswith("a probe worker ended by ValueError at\n")
    assert ", in _serve" in ended.stderr
    assert "laddr" not in ended.stderr
