"""What a probe tells of itself, step by step, to those who watch."""

from __future__ import annotations

import pytest
from pydantic import SecretStr
from websockets.asyncio.server import ServerConnection, serve

from probes import load
from probes.context import ProbeContext
from probes.engine.exchange import MAX_STEP_CHARACTERS, MAX_STEPS, Exchange, Span, Step, listed
from probes.result import Phase
from tests.probes.support import target
from tests.support.dns_server import DnsServer, records
from tests.support.grpc_server import GrpcServer, Status
from tests.support.misbehaving import Misbehaving, Peer
from tests.support.nginx import Nginx

SECRET = "s3cret-value-of-a-header"


async def told(url: str, **options: object) -> list[tuple[str, str]]:
    """(what, detail) of each step, in the order of time."""
    asked, steps = target(url, **options), list[Step]()
    await load(asked.kind)(asked, ProbeContext(region="test", steps=steps))
    return [(step.what, step.told()) for step in sorted(steps, key=lambda step: step.at_seconds)]


async def test_http_tells_what_it_asked_and_what_came(nginx: Nginx) -> None:
    steps = await told(nginx.https_url + "/moved?a=b", tls={"ca_file": nginx.ca_file})
    assert steps[0] == ("started", "http probe, given up after 5 s")
    asked = [detail for what, detail in steps if what == "asking"]
    assert asked[0].startswith(f"GET {nginx.https_url}/moved?*** with the headers host, user-agent")
    assert ("resolved", "localhost: 127.0.0.1") in steps
    assert ("connected", f"127.0.0.1 port {nginx.https_port}") in steps
    assert ("answered", "status 301, HTTP/1.1, 169 bytes of body") in steps
    assert ("redirected", f"1: to {nginx.https_url}/there") in steps
    assert ("header", "Content-Type: text/html") in steps
    assert ("more headers", "Location; their values are not shown") in steps
    session = next(detail for what, detail in steps if what == "TLS session")
    assert session.startswith("with localhost: TLSv1.")
    assert session.endswith("ALPN http/1.1")
    leaf = next(detail for what, detail in steps if what == "certificate 1")
    assert "for localhost, 127.0.0.1; issued by OU=Testing CA" in leaf
    assert steps[-1] == ("good", "")


async def test_a_certificate_that_does_not_verify_is_told_all_the_same(nginx: Nginx) -> None:
    steps = await told(nginx.https_url)
    assert any(what == "certificate 1" and "issued by OU=Testing CA" in detail for what, detail in steps)
    assert steps[-1][0] == "failed"
    assert steps[-1][1].startswith("certificate: the certificate does not verify")


async def _gives_back(peer: Peer) -> None:
    value = SECRET.encode()
    await peer.send(
        b"HTTP/1.1 302 Found\r\nServer: %b\r\n%b: 1\r\nSet-Cookie: id=session\r\nLocation: /%b?token=%b\r\n"
        b"Content-Length: 0\r\n\r\n" % (value, value, value, value)
    )


async def test_a_header_of_the_target_is_a_name_and_its_value_nowhere() -> None:
    with Misbehaving(_gives_back) as server:
        url = server.url
        steps = await told(url, headers={"Authorization": SecretStr(f"Bearer {SECRET}")}, max_redirects=1)
    text = str(steps)
    assert "authorization" in text
    assert "Server: ***" in text
    assert "Set-Cookie" in text
    assert f"1: to {url}***?***" in text
    for secret in (SECRET, "id=session"):
        assert secret not in text


async def test_each_address_is_told_with_what_came_of_it() -> None:
    with DnsServer(records(("a.test", "A", "192.0.2.1"), ("a.test", "A", "192.0.2.2"))) as server:
        steps = await told(f"dns://127.0.0.1:{server.port}/a.test")
    assert ("asking", f"127.0.0.1 port {server.port} for A of 'a.test'") in steps
    answer = next(detail for what, detail in steps if what == "answered")
    assert answer.startswith("NOERROR: a.test. 60 IN A 192.0.2.")


async def test_grpc_tells_what_it_asked_and_what_came() -> None:
    with GrpcServer({"shop.v1.Stock": Status.NOT_SERVING}) as server:
        url = f"grpc://127.0.0.1:{server.port}/shop.v1.Stock"
        steps = await told(url, headers={"X-Key": SecretStr(SECRET)})
    names = "te, grpc-timeout, content-type, grpc-accept-encoding, user-agent, x-key"
    assert ("asking", f"Check of 'shop.v1.Stock' with the headers {names}") in steps
    assert ("answered", "grpc-status 0 (OK), NOT_SERVING") in steps
    assert steps[-1] == ("failed", "unhealthy: service 'shop.v1.Stock' is NOT_SERVING, expected SERVING")
    assert SECRET not in str(steps)


async def test_a_websocket_tells_what_was_said_and_heard() -> None:
    async def echo(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)

    async with serve(echo, "127.0.0.1", 0) as server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        steps = await told(url, dialogue=[{"send": "hello"}, {"expect": "hello"}], headers={"X-Key": SecretStr(SECRET)})
    assert ("asking", "for an upgrade with the headers X-Key, User-Agent") in steps
    assert ("upgraded", "") in steps
    assert steps[-3:] == [("said", "'hello'"), ("heard what was expected", "'hello'"), ("good", "")]
    assert SECRET not in str(steps)


async def test_a_refusal_is_told() -> None:
    steps = await told("tcp://127.0.0.1:1")
    assert steps[-2:] == [
        ("not connected", "connecting to 127.0.0.1 port 1: Connection refused"),
        ("failed", "refused: connecting to 127.0.0.1 port 1: Connection refused"),
    ]


def test_what_is_kept_is_bounded() -> None:
    exchange = Exchange(steps=[], spans=[])
    for _ in range(MAX_STEPS + 10):
        exchange.note("read", "x" * 1000)
        exchange.note("made", lambda: "y" * 1000)
        exchange.enter(Phase.TRANSFER)
    assert exchange.steps is not None
    assert exchange.spans is not None
    assert len(exchange.steps) == len(exchange.spans) == MAX_STEPS
    assert {len(step.told()) for step in exchange.steps} == {MAX_STEP_CHARACTERS}


def test_nothing_is_made_for_nobody() -> None:
    def fails() -> str:
        raise AssertionError

    exchange = Exchange()
    exchange.note("made", fails)
    exchange.enter(Phase.CONNECT)
    exchange.enter(None)
    assert exchange.steps is None


def test_a_span_is_when_a_phase_went_on() -> None:
    exchange = Exchange(spans=[])
    exchange.enter(Phase.CONNECT, 1.0)
    exchange.enter(Phase.TRANSFER, 3.0)
    exchange.enter(None, 2.5)  # a clock that told otherwise makes no span that ends before it begins
    assert exchange.spans == [Span(Phase.CONNECT, 1.0, 3.0), Span(Phase.TRANSFER, 3.0, 3.0)]


@pytest.mark.parametrize(("count", "text"), [(0, ""), (2, "0, 1"), (8, "0, 1, 2, 3, 4, 5, 6, 7")])
def test_lists_are_cut(count: int, text: str) -> None:
    assert listed(range(count)) == text
    assert listed(range(20), most=2) == "0, 1 and 18 more"
