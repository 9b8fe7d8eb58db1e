"""The deadline is of the whole probe: against servers that always do a little, so that no single step of it is slow.
`tls_grade`, whose deadline is the scan's, has the same in tls/test_workers.py."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from pathlib import Path

import pytest

from probes.result import FailureReason, Phase
from tests.probes.support import detail, probe, reason
from tests.support.dns_server import DnsServer, records
from tests.support.misbehaving import DRIP_SECONDS, OK, Misbehaving, Peer, full_backlog
from tests.support.misbehaving_http2 import BEHAVIOURS as HTTP2
from tests.support.nginx import Nginx
from tests.support.wait import until

TIMEOUT_SECONDS = 2.0
# How late a busy machine may tell of a deadline that passed; without the deadline each of these would go on for ever.
SLACK_SECONDS = 10.0


async def _handshake(peer: Peer) -> None:
    await peer.send(b"\x16\x03\x03\x40\x00")  # the head of a record of 16 KiB
    await peer.drip(b"\x02")


async def _interim_answers(peer: Peer) -> None:
    await peer.drip(b"HTTP/1.1 100 Continue\r\n\r\n")


async def _chunks(peer: Peer) -> None:
    await peer.send(OK + b"Transfer-Encoding: chunked\r\n\r\n")
    await peer.drip(b"1\r\nx\r\n")


async def _redirects(peer: Peer) -> None:
    """Each in good time, and to the next."""
    await asyncio.sleep(TIMEOUT_SECONDS / 4)
    await peer.send(b"HTTP/1.1 302 Found\r\nLocation: /on\r\nContent-Length: 0\r\n\r\n")


async def _short_body(peer: Peer) -> None:
    await peer.send(OK + b"Content-Length: 5\r\n\r\n")
    with suppress(ConnectionError):
        await peer.drip(b"whole")


class _DripsOverTcp(DnsServer):
    """UDP says that TCP has the answer; there it comes a byte at a time, of the 60,000 that are promised."""

    def __init__(self) -> None:
        super().__init__(records(), truncate=True)
        self._talking, self._ending = 0, False

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._talking += 1
        with suppress(OSError):
            writer.write(b"\xea\x60")
            while not self._ending:
                writer.write(b"\0")
                await writer.drain()
                await asyncio.sleep(DRIP_SECONDS)
        writer.close()
        self._talking -= 1

    def __exit__(self, *exc: object) -> None:
        self._ending = True
        until(lambda: self._talking == 0, what="the end of the drip")
        super().__exit__(*exc)


@contextmanager
def http(behaviour: Callable[[Peer], object] | str, scheme: str = "http") -> Iterator[str]:
    with Misbehaving(behaviour) as server:  # type: ignore[arg-type]
        yield f"{scheme}://127.0.0.1:{server.port}/"


@contextmanager
def throttled_https(folder: Path) -> Iterator[str]:
    """A real server that sends some bytes a second."""
    locations = f'location / {{ default_type text/plain; limit_rate 10; return 200 "{"x" * 4000}"; }}'
    with Nginx(folder, locations=locations) as server:
        yield server.https_url


@contextmanager
def tcp_that_never_accepts() -> Iterator[str]:
    with full_backlog() as port:
        yield f"tcp://127.0.0.1:{port}"


@contextmanager
def dns_over_tcp() -> Iterator[str]:
    with _DripsOverTcp() as server:
        yield f"dns://127.0.0.1:{server.port}/a.test"


@contextmanager
def dns_amid_strangers() -> Iterator[str]:
    """The server says nothing, and somebody else sends datagrams all the time."""
    stop = threading.Event()
    with socket.socket(type=socket.SOCK_DGRAM) as asked, socket.socket(type=socket.SOCK_DGRAM) as stranger:
        asked.bind(("127.0.0.1", 0))
        stranger.bind(("127.0.0.1", 0))

        def chatter() -> None:
            client = asked.recvfrom(512)[1]
            while not stop.wait(DRIP_SECONDS):
                with suppress(OSError):
                    stranger.sendto(b"\0" * 12, client)

        thread = threading.Thread(target=chatter)
        thread.start()
        try:
            yield f"dns://127.0.0.1:{asked.getsockname()[1]}/a.test"
        finally:
            stop.set()
            thread.join(10)


FIRST_BYTE, REST, ANSWER = "the first byte of the answer", "the rest of the answer", "the answer"
Server = Callable[[], AbstractContextManager[str]]


@pytest.mark.parametrize(
    ("server", "phase", "waited_for"),
    [
        pytest.param(partial(http, "never_answers"), Phase.PROCESSING, FIRST_BYTE, id="http-silent"),
        pytest.param(partial(http, "drips_headers"), Phase.TRANSFER, REST, id="http-headers"),
        pytest.param(partial(http, "drips_body"), Phase.TRANSFER, REST, id="http-body"),
        pytest.param(partial(http, _interim_answers), Phase.TRANSFER, REST, id="http-interim"),
        pytest.param(partial(http, _chunks), Phase.TRANSFER, REST, id="http-chunks"),
        pytest.param(partial(http, _redirects), Phase.PROCESSING, FIRST_BYTE, id="http-redirects"),
        pytest.param(partial(http, _handshake, "https"), Phase.TLS, "the TLS handshake to end", id="https-handshake"),
        pytest.param(partial(http, HTTP2["drips_headers"], "grpc"), Phase.PROCESSING, FIRST_BYTE, id="grpc-headers"),
        pytest.param(partial(http, HTTP2["drips_body"], "grpc"), Phase.TRANSFER, REST, id="grpc-body"),
        pytest.param(partial(http, "drips_headers", "ws"), Phase.TRANSFER, REST, id="websocket-headers"),
        pytest.param(tcp_that_never_accepts, Phase.CONNECT, "the connection to be accepted", id="tcp"),
        pytest.param(dns_over_tcp, Phase.REQUEST, ANSWER, id="dns-over-tcp"),
        pytest.param(dns_amid_strangers, Phase.REQUEST, ANSWER, id="dns-amid-strangers"),
    ],
)
async def test_a_server_that_drips_is_given_up_in_time(server: Server, phase: Phase, waited_for: str) -> None:
    with server() as url:
        result = await probe(url, timeout=f"{TIMEOUT_SECONDS:g}s", **({"max_redirects": 20} if "http" in url else {}))
    assert reason(result) is FailureReason.TIMEOUT, detail(result)
    assert detail(result).endswith(f"for {waited_for}")
    assert phase in dict(result.phases)
    assert TIMEOUT_SECONDS * 0.9 < result.duration_seconds < TIMEOUT_SECONDS + SLACK_SECONDS


async def test_a_real_server_that_is_throttled_is_given_up_in_time(tmp_path: Path) -> None:
    with throttled_https(tmp_path) as url:
        result = await probe(url, timeout=f"{TIMEOUT_SECONDS:g}s", tls={"ca_file": tmp_path / "ca.pem"})
    assert reason(result) is FailureReason.TIMEOUT, detail(result)
    assert detail(result).endswith(f"for {REST}")
    assert list(dict(result.phases))[-1] is Phase.TRANSFER


async def test_dripping_is_no_fault_if_it_is_done_in_time() -> None:
    with http(_short_body) as url:
        result = await probe(url, timeout="10s", expect={"body": {"regex": "^whole$"}})
    assert result.failure is None
