from __future__ import annotations

import asyncio
import signal
import socket

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from monitor.errors import UserError
from monitor.http_server import bind, serve


def test_a_port_in_use_names_the_address_and_the_remedy() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UserError) as error:
            bind("127.0.0.1", port)
    assert f"127.0.0.1:{port}" in str(error.value)
    assert "choose another port" in str(error.value)


@pytest.mark.parametrize(
    ("host", "says"),
    [
        ("192.0.2.1", "no such address"),
        ("no-such-host.invalid", "write an IP address"),
        ("::1%nope", "::1%nope"),
        ("a..b", "not a host name"),
    ],
)
def test_an_address_that_is_not_ours(host: str, says: str) -> None:
    with pytest.raises(UserError) as error:
        bind(host, 0)
    assert says in str(error.value)
    assert str(error.value).startswith("web.listen: ")


async def test_requests_in_hand_are_finished_and_signals_are_left_alone() -> None:
    begun, release = asyncio.Event(), asyncio.Event()

    async def slow(_: Request) -> PlainTextResponse:
        begun.set()
        await release.wait()
        return PlainTextResponse("done")

    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    listener = bind("127.0.0.1", 0)
    address = listener.getsockname()
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{address[1]}", trust_env=False) as client:
        async with serve(Starlette(routes=[Route("/", slow)]), listener):
            assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before
            answer = asyncio.create_task(client.get("/"))
            await begun.wait()
            asyncio.get_running_loop().call_later(0.2, release.set)
        assert (await answer).text == "done"
    bind("127.0.0.1", address[1]).close()


async def test_endless_headers_are_cut_off() -> None:
    listener = bind("127.0.0.1", 0)
    async with serve(Starlette(), listener):
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.getsockname()[1])
        writer.write(b"GET / HTTP/1.1\r\nhost: localhost\r\n")
        answer = asyncio.create_task(reader.read(100))
        sent = 0
        while not answer.done() and sent < 64 * 2**20:
            writer.write(b"x: " + b"y" * 8192 + b"\r\n")
            sent += 8192
            try:
                await writer.drain()
            except ConnectionError:
                break
            await asyncio.sleep(0)
        assert (await answer).startswith(b"HTTP/1.1 400")
        assert sent < 2**20
        writer.close()
