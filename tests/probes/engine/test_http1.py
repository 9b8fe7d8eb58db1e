"""HTTP/1.1 over a stream, to a real nginx and to servers that break off."""

from __future__ import annotations

import time

import pytest

from probes.engine.exchange import Exchange
from probes.engine.failures import Unanswered
from probes.engine.http1 import ask_http1
from probes.engine.response import Answer, ResponseReader
from probes.engine.stream import open_stream
from probes.options import TlsOptions
from probes.result import FailureReason, Phase
from tests.support.misbehaving import Misbehaving
from tests.support.nginx import Nginx

WIRE = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def ask(port: int, exchange: Exchange, *, tls: bool = False) -> Answer:
    stream = await open_stream("127.0.0.1", port, exchange, deadline=time.monotonic() + 20)
    try:
        if tls:
            await stream.start_tls("localhost")
        return await ask_http1(stream, WIRE, ResponseReader("GET", exchange.max_body_bytes), exchange)
    finally:
        stream.close()


@pytest.mark.parametrize("tls", [False, True])
async def test_an_answer_and_its_phases_though_the_connection_is_kept(nginx: Nginx, tls: bool) -> None:
    exchange = Exchange(tls=TlsOptions(ca_file=nginx.ca_file), steps=[])
    answer = await ask(nginx.https_port if tls else nginx.http_port, exchange, tls=tls)
    assert answer.status_code == 200
    assert answer.body.startswith(b"ok")
    assert list(exchange.phases)[-2:] == [Phase.PROCESSING, Phase.TRANSFER]
    assert exchange.stage is None
    assert exchange.steps is not None
    assert [step.what for step in exchange.steps][-2:] == ["sent the request", "first bytes of the answer"]


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        ("closes_at_once", FailureReason.RESET),
        ("resets_in_the_body", FailureReason.RESET),
        ("not_http", FailureReason.PROTOCOL),
        ("endless_headers", FailureReason.TOO_LARGE),
    ],
)
async def test_what_is_no_answer_has_its_reason(behaviour: str, reason: FailureReason) -> None:
    with Misbehaving(behaviour) as server, pytest.raises(Unanswered) as raised:
        await ask(server.port, Exchange())
    assert raised.value.failure.reason is reason


async def test_a_body_without_a_length_ends_with_the_connection_or_at_the_limit() -> None:
    with Misbehaving("endless_body") as server:
        answer = await ask(server.port, Exchange(max_body_bytes=1000))
    assert (len(answer.body), answer.cut) == (1000, True)
