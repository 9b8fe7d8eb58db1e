"""The transport as httpx's own clients use it, and what it tells of a request."""

from __future__ import annotations

import time

import httpx
import pytest

from probes.engine.exchange import Exchange
from probes.engine.resolve import EITHER_IP, Address, literal
from probes.engine.transport import ProbeTransport, ProbeTransportError
from probes.options import IpOptions, TlsOptions
from probes.result import FailureReason, Phase
from tests.support.misbehaving import Misbehaving, full_backlog
from tests.support.nginx import Nginx
from tests.support.wait import free_port


async def test_an_httpx_client_works_over_it(nginx: Nginx) -> None:
    exchange = Exchange(tls=TlsOptions(ca_file=nginx.ca_file))
    async with httpx.AsyncClient(transport=ProbeTransport(), follow_redirects=True) as client:
        response = await client.get(nginx.https_url + "/moved", extensions={"exchange": exchange})
    assert response.status_code == 200
    assert response.text.startswith("ok")
    assert response.http_version == "HTTP/1.1"
    assert exchange.session is not None
    assert list(exchange.phases) == [Phase.RESOLVE, Phase.CONNECT, Phase.TLS, Phase.PROCESSING, Phase.TRANSFER]


async def test_a_failure_is_an_error_of_httpx_with_the_reason_of_a_result() -> None:
    async with httpx.AsyncClient(transport=ProbeTransport()) as client:
        with pytest.raises(httpx.TransportError) as raised:
            await client.get(f"http://127.0.0.1:{free_port()}/")
    assert isinstance(raised.value, ProbeTransportError)
    assert raised.value.failure.reason is FailureReason.REFUSED


class Addresses:
    """A resolver that knows the addresses of one name."""

    def __init__(self, *hosts: str) -> None:
        self._hosts = hosts

    def cached(self, host: str, port: int, ip: IpOptions = EITHER_IP) -> None:
        """It has to be asked."""

    async def resolve(
        self, host: str, port: int, ip: IpOptions = EITHER_IP, *, afresh: bool = False
    ) -> tuple[Address, ...]:
        return tuple(address for known in self._hosts for address in literal(known, port))


async def test_the_next_address_is_tried_when_one_refuses(nginx: Nginx) -> None:
    exchange = Exchange()
    # All of 127.0.0.0/8 is loopback; nginx listens on 127.0.0.1 alone.
    transport = ProbeTransport(resolver=Addresses("127.0.0.2", "127.0.0.1"))
    request = httpx.Request("GET", f"http://name.example:{nginx.http_port}/", extensions={"exchange": exchange})
    assert (await transport.handle_async_request(request)).status_code == 200
    assert exchange.address == "127.0.0.1"


async def test_an_address_that_does_not_answer_leaves_time_for_the_next(nginx: Nginx) -> None:
    exchange, deadline = Exchange(), time.monotonic() + 2
    transport = ProbeTransport(resolver=Addresses("127.0.0.2", "127.0.0.1"))
    with full_backlog("127.0.0.2", nginx.http_port):
        request = httpx.Request(
            "GET", f"http://name.example:{nginx.http_port}/", extensions={"exchange": exchange, "deadline": deadline}
        )
        assert (await transport.handle_async_request(request)).status_code == 200
    assert exchange.address == "127.0.0.1"
    assert exchange.phases[Phase.CONNECT] > 0.5, "the whole of what a client would have waited"


async def test_when_every_address_refuses_each_is_named() -> None:
    transport = ProbeTransport(resolver=Addresses("127.0.0.2", "127.0.0.3"))
    with pytest.raises(ProbeTransportError) as raised:
        await transport.handle_async_request(httpx.Request("GET", f"http://name.example:{free_port()}/"))
    assert raised.value.failure.reason is FailureReason.REFUSED
    assert "127.0.0.2" in raised.value.failure.detail
    assert "127.0.0.3" in raised.value.failure.detail


async def test_the_body_is_handed_over_as_it_came_and_unpacked_only_on_demand() -> None:
    with Misbehaving("compressed_bomb") as server:
        response = await ProbeTransport().handle_async_request(httpx.Request("GET", server.url))
        raw = b"".join([piece async for piece in response.aiter_raw()])
    assert response.headers["content-encoding"] == "gzip"
    assert len(raw) < 100_000
