"""Servers that cannot be graded, and those that try to hold a scan for ever."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import time
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from probes.result import FailureReason
from probes.tls.endpoint import Endpoint, ScanError, ScanRequest
from probes.tls.workers import ScanWorkers
from tests.probes.tls.servers import socket_server
from tests.support.process import Process
from tests.support.wait import auntil, free_port, until


def say_nothing(connection: socket.socket) -> None:
    while connection.recv(4096):
        pass


def drip(connection: socket.socket) -> None:
    """A handshake record that never ends, a byte every fifth of a second: no single read of it times out."""
    connection.recv(4096)
    connection.sendall(b"\x16\x03\x03\x40\x00")
    connection.settimeout(0.2)
    while True:
        connection.sendall(b"\x02")
        try:
            if not connection.recv(4096):
                return
        except TimeoutError:
            continue


def speak_http(connection: socket.socket) -> None:
    connection.recv(4096)
    connection.sendall(b"HTTP/1.1 400 Bad Request\x1b[31m\r\n\r\n")


def hang_up(connection: socket.socket) -> None:
    connection.recv(4096)


async def failure_of(request: ScanRequest, seconds: float = 20.0) -> ScanError:
    async with ScanWorkers() as workers:
        with pytest.raises(ScanError) as caught:
            await workers.scan(request, seconds)
    return caught.value


def local(port: int, host: str = "127.0.0.1") -> ScanRequest:
    return ScanRequest(endpoint=Endpoint(host, port), network_seconds=0.5)


async def test_a_refused_connection() -> None:
    port = free_port()
    error = await failure_of(local(port))
    assert (error.reason, error.detail) == (FailureReason.REFUSED, f"127.0.0.1:{port} refused the connection")


async def test_a_name_that_does_not_resolve() -> None:
    error = await failure_of(local(443, "nobody.invalid"))
    assert error.reason is FailureReason.DNS
    assert "nobody.invalid does not resolve" in error.detail


async def test_a_server_that_says_nothing() -> None:
    with socket_server(say_nothing) as port:
        error = await failure_of(local(port))
    assert error.reason is FailureReason.TIMEOUT
    assert "did not answer a TLS hello within 0.5 s" in error.detail


@pytest.mark.parametrize(
    ("serve", "text"),
    [(speak_http, r"it answered 'HTTP/1.1 400 Bad Request\\x1b[31m"), (hang_up, "is this a TLS port?")],
)
async def test_a_port_that_does_not_speak_tls(serve: type, text: str) -> None:
    with socket_server(serve) as port:
        error = await failure_of(local(port))
    assert error.reason is FailureReason.TLS
    assert text in error.detail


async def test_a_tarpit_ends_at_the_deadline_and_its_process_with_it() -> None:
    with socket_server(drip) as port:
        async with ScanWorkers() as workers:
            start = time.monotonic()
            with pytest.raises(ScanError) as caught:
                await workers.scan(local(port), 1.5)
            took = time.monotonic() - start
            assert children() == []
    assert caught.value.reason is FailureReason.TIMEOUT
    assert "did not end within 1.5 s" in caught.value.detail
    assert took < 8  # the drip would go on for an hour; the rest is room for a busy machine


async def test_a_cancelled_scan_ends_its_process() -> None:
    with socket_server(drip) as port:
        async with ScanWorkers() as workers:
            scan = asyncio.create_task(workers.scan(local(port), 60))
            await auntil(_has_children, what="the scan has a process")
            scan.cancel()
            with pytest.raises(asyncio.CancelledError):
                await scan
            assert children() == []


async def test_a_process_that_dies_is_an_error_of_ours_and_the_next_scan_has_another() -> None:
    with socket_server(say_nothing) as port:
        async with ScanWorkers() as workers:
            scan = asyncio.create_task(workers.scan(ScanRequest(endpoint=Endpoint("127.0.0.1", port)), 60))
            await auntil(_has_children, what="the scan has a process")
            os.kill(children()[0], 11)
            with pytest.raises(ScanError) as caught:
                await scan
            assert caught.value.reason is FailureReason.INTERNAL
            with pytest.raises(ScanError, match="refused"):
                await workers.scan(local(free_port()), 20)


async def test_a_process_is_used_again_and_ends_with_the_workers() -> None:
    port = free_port()
    async with ScanWorkers() as workers:
        seen = []
        for _ in range(2):
            with pytest.raises(ScanError):
                await workers.scan(local(port), 20)
            seen.append(children())
    assert seen[0] == seen[1]
    assert len(seen[0]) == 1
    assert children() == []


async def test_no_more_processes_than_asked_for() -> None:
    port = free_port()
    async with ScanWorkers(2) as workers:
        await asyncio.gather(*(workers.scan(local(port), 20) for _ in range(6)), return_exceptions=True)
        assert len(children()) == 2


async def test_an_unreadable_ca_file_is_said_to_be_so(tmp_path: Path, tls_port: AbstractContextManager[int]) -> None:
    with tls_port as port:
        request = ScanRequest(endpoint=Endpoint("127.0.0.1", port), ca_file=str(tmp_path / "none.pem"))
        error = await failure_of(request)
    assert error.reason is FailureReason.INTERNAL
    assert "none.pem" in error.detail


@pytest.fixture
def tls_port() -> AbstractContextManager[int]:
    """A server that gets as far as an alert, which is TLS."""

    def alert(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(b"\x15\x03\x03\x00\x02\x02\x28")

    return socket_server(alert)


async def test_a_server_that_refuses_every_handshake(tls_port: AbstractContextManager[int]) -> None:
    with tls_port as port:
        error = await failure_of(local(port))
    assert error.reason is FailureReason.TLS
    assert "could not find a TLS version and cipher suite" in error.detail


async def test_a_scan_does_not_outlive_a_killed_parent(tmp_path: Path) -> None:
    with socket_server(drip) as port:
        argv = [sys.executable, "-c", SCAN_FOR_EVER, str(port)]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
        with Process(argv, tmp_path / "parent.log", environment) as parent:
            scanning = until(lambda: children(parent.pid), what="the scan has a process")
            parent.kill()
            until(lambda: not running(scanning[0]), what="the scan process ends")


SCAN_FOR_EVER = """
import asyncio, sys
from probes.tls.endpoint import Endpoint, ScanRequest
from probes.tls.workers import ScanWorkers

async def main():
    async with ScanWorkers() as workers:
        await workers.scan(ScanRequest(endpoint=Endpoint("127.0.0.1", int(sys.argv[1]))), 3600)

asyncio.run(main())
"""


def running(pid: int) -> bool:
    """A zombie, whom nobody may be there to bury in a container, does not run."""
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z"


def children(pid: int | None = None) -> list[int]:
    """The scan processes of a process; the test run may have other children, such as a database server."""
    parent = pid or os.getpid()
    found = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [int(child) for child in found if b"probes.tls.child" in _command_line(child)]


def _command_line(pid: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:  # it has ended meanwhile
        return b""


async def _has_children() -> bool:
    return bool(children())
