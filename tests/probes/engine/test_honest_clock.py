"""The prober's own slowness is not told as the service's: by the kernel's stamps, and by a mark."""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from probes import load
from probes.engine import arrivals, dial, lag
from probes.engine.arrivals import Arrivals, ask_for_stamps, handshake_seconds
from probes.engine.exchange import Exchange
from probes.result import Clock, FailureReason, Phase, ProbeResult
from tests.probes.support import CONTEXT, probe, reason, target
from tests.support.misbehaving import OK, Misbehaving, Peer
from tests.support.nginx import Nginx
from tests.support.wait import auntil

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the stamps are Linux's")

STOOD_STILL_SECONDS = 0.3
ANSWER = OK + b"Content-Length: 2\r\n\r\nok"


@contextmanager
def held_back(go: threading.Event, wire: bytes) -> Iterator[Misbehaving]:
    """A server that answers at once when it is let."""

    async def answer(peer: Peer) -> None:
        await asyncio.to_thread(go.wait, 30)
        await peer.send(wire)

    with Misbehaving(answer) as server:
        yield server
        go.set()


async def probed_while_standing_still(wire: bytes = ANSWER, **options: object) -> ProbeResult:
    """The answer comes while this process does something else than look at it."""
    go = threading.Event()
    with held_back(go, wire) as server:
        asked_of = target(server.url, **options)
        probing = asyncio.create_task(load("http")(asked_of, CONTEXT))

        async def asked() -> bool:
            return bool(server.requests)

        await auntil(asked, seconds=20, what="the request")
        go.set()
        time.sleep(STOOD_STILL_SECONDS)  # not to wait: this is the fault that is tested
        return await probing


async def test_the_kernels_stamp_is_free_of_our_own_delay() -> None:
    began = time.monotonic()
    result = await probed_while_standing_still()
    assert result.ok
    assert result.clock is Clock.KERNEL
    apart = time.monotonic() - began - STOOD_STILL_SECONDS  # all that the machine may have taken besides
    phases = dict(result.phases)
    # The server answers some time after it was let, which is in the standstill: by no means at its end.
    assert phases[Phase.PROCESSING] <= apart + STOOD_STILL_SECONDS / 2
    assert result.duration_seconds == pytest.approx(sum(phases.values()))


async def test_the_end_of_an_answer_that_ends_with_the_connection_has_no_stamp() -> None:
    result = await probed_while_standing_still(OK + b"\r\nok")
    assert result.ok
    assert result.suspect


async def test_without_stamps_a_sample_taken_meanwhile_is_suspect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dial, "ask_for_stamps", lambda _: False)
    result = await probed_while_standing_still()
    assert result.ok
    assert result.clock is Clock.USER
    assert result.suspect
    assert result.duration_seconds > STOOD_STILL_SECONDS * 0.9


async def test_a_deadline_that_passed_while_we_stood_still_is_our_own_fault() -> None:
    result = await probed_while_standing_still(timeout="250ms")
    assert reason(result) is FailureReason.INTERNAL
    assert result.failure is not None
    assert "the prober itself stood still" in result.failure.detail


async def test_an_undisturbed_sample_is_not_suspect(nginx: Nginx) -> None:
    """Of some, most: on a shared machine a process is held up now and then, which is what the mark is for."""
    results = [await probe(nginx.http_url) for _ in range(20)]
    assert all(result.ok and result.clock is Clock.KERNEL for result in results)
    assert sum(result.suspect for result in results) <= 10


async def test_a_handshake_that_lost_a_packet_keeps_the_wait_for_it() -> None:
    """A full queue drops the first SYN; another comes a second later. `tcpi_rtt` alone would tell of microseconds."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        fill = [socket.socket() for _ in range(3)]
        for each in fill:
            each.setblocking(False)
            each.connect_ex(server.getsockname())
        exchange = Exchange()
        began = time.monotonic()
        dialling = asyncio.create_task(
            dial.dial("127.0.0.1", server.getsockname()[1], exchange, deadline=time.monotonic() + 30)
        )

        async def dropped() -> bool:
            return time.monotonic() - began > 0.1 and not dialling.done()

        await auntil(dropped, seconds=5, what="a SYN without an answer")
        server.setblocking(False)
        accepted = []

        async def let_in() -> bool:
            with suppress(BlockingIOError):
                accepted.append(server.accept()[0])
            return dialling.done()

        await auntil(let_in, seconds=20, what="the connection")
        connected = await dialling
        for each in (connected, *accepted, *fill):
            each.close()
    assert exchange.phases[Phase.CONNECT] > 0.5


def test_the_handshake_of_a_socket_that_has_none_is_not_known() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        assert handshake_seconds(sock) is None


def stamp(at: float) -> list[tuple[int, int, bytes]]:
    whole, nanoseconds = int(at), int(at % 1 * 1e9)
    data = struct.pack("@qqqqqq", whole, nanoseconds, 0, 0, 0, 0)
    return [(socket.SOL_SOCKET, arrivals._SO_TIMESTAMPING, data)]


def test_a_stamp_is_moved_to_the_monotonic_clock() -> None:
    seen = Arrivals()
    now = time.monotonic()
    arrived = seen.at(stamp(time.time()), time.monotonic())
    assert arrived is not None
    assert now - 0.001 <= arrived <= time.monotonic()


@pytest.mark.parametrize("off_seconds", [-3600.0, -1.0, 0.5, 3600.0])
def test_a_stamp_of_a_clock_that_stepped_is_not_used(off_seconds: float) -> None:
    seen = Arrivals()
    assert seen.at(stamp(time.time() + off_seconds), time.monotonic()) is None


def test_a_step_between_is_noticed_though_the_stamp_looks_right(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = Arrivals()
    at = time.time()
    monkeypatch.setattr(time, "time", lambda: at + 5)
    assert seen.at(stamp(at), time.monotonic()) is None


def test_without_ancillary_data_nothing_is_claimed() -> None:
    assert Arrivals().at([], time.monotonic()) is None
    assert Arrivals().at([(socket.SOL_SOCKET, 99, b"x")], time.monotonic()) is None


def test_stamps_are_asked_for_once_and_for_all() -> None:
    with socket.socket() as sock:
        assert ask_for_stamps(sock)
    assert arrivals._keep_one_open() is arrivals._keep_one_open()


async def test_the_loop_knows_when_it_stood_still() -> None:
    seen = lag.loop_lag()
    assert seen is lag.loop_lag()
    began = time.monotonic()
    seen.begin()
    time.sleep(0.1)  # as above
    assert seen.longest_since(began, time.monotonic()) >= 0.07  # the timer that is due has not even come yet
    await asyncio.sleep(0)
    ended = time.monotonic()

    async def looked() -> bool:
        return bool(seen._seen)

    await auntil(looked, seconds=5, what="the timer")
    assert seen.longest_since(began, ended) >= 0.07
    assert seen.longest_since(time.monotonic() + 1, time.monotonic() + 1) == 0.0
    seen.end()

    async def idle() -> bool:
        return seen._timer is None

    await auntil(idle, seconds=5, what="the timer's end: nobody measures")
