"""The DNS probe against a real server on loopback."""

from __future__ import annotations

import asyncio

import pytest
import uvloop

from probes.dns import Question, question_of
from probes.engine.failures import Unanswered
from probes.result import FailureReason, Phase
from tests.probes.support import detail, probe, reason
from tests.support.dns_server import DnsServer, records
from tests.support.wait import free_port

ZONE = records(
    ("example.test", "A", "192.0.2.1"),
    ("example.test", "AAAA", "2001:db8::1"),
    ("mail.test", "MX", "10 example.test."),
)


@pytest.mark.parametrize(
    ("path", "failure"),
    [
        ("example.test", None),
        ("example.test?type=AAAA", None),
        ("example.test?TYPE=aaaa", None),
        ("example.test?class=IN;type=A", None),
        ("mail.test?type=MX", None),
        ("mail.test?type=ANY", FailureReason.DNS),
        ("example.test?type=MX", FailureReason.DNS),
        ("missing.test", FailureReason.DNS),
        ("example.test?type=NONSENSE", FailureReason.INTERNAL),
        ("a..b", FailureReason.INTERNAL),
        ("", FailureReason.INTERNAL),
    ],
)
async def test_questions(path: str, failure: FailureReason | None) -> None:
    with DnsServer(ZONE) as server:
        result = await probe(f"dns://127.0.0.1:{server.port}/{path}")
    assert reason(result) is failure, result.failure


async def test_an_answer_has_its_facts_and_phases() -> None:
    with DnsServer(ZONE) as server:
        found = await probe(f"dns://127.0.0.1:{server.port}/example.test")
        missing = await probe(f"dns://127.0.0.1:{server.port}/missing.test")
    assert found.dns is not None
    assert (found.dns.rcode, found.dns.answers, found.address) == ("NOERROR", 1, "127.0.0.1")
    assert [phase for phase, _ in found.phases] == [Phase.RESOLVE, Phase.REQUEST]
    assert missing.dns is not None
    assert missing.dns.rcode == "NXDOMAIN"
    assert "NXDOMAIN" in detail(missing)


async def test_a_truncated_answer_is_asked_for_over_tcp() -> None:
    with DnsServer(ZONE, truncate=True) as server:
        assert (await probe(f"dns://127.0.0.1:{server.port}/example.test")).ok


def test_it_runs_on_uvloop_too() -> None:
    for truncate in (False, True):
        with DnsServer(ZONE, truncate=truncate) as server:
            assert uvloop.run(probe(f"dns://127.0.0.1:{server.port}/example.test")).ok


async def test_a_server_that_does_not_answer() -> None:
    with DnsServer(lambda _: None) as server:
        result = await probe(f"dns://127.0.0.1:{server.port}/example.test", timeout="300ms")
    assert reason(result) is FailureReason.TIMEOUT
    assert dict(result.phases)[Phase.REQUEST] > 0.2


async def test_a_server_that_is_not_there() -> None:
    result = await probe(f"dns://127.0.0.1:{free_port()}/example.test", timeout="300ms")
    assert reason(result) in (FailureReason.REFUSED, FailureReason.TIMEOUT)


@pytest.mark.parametrize("wire", [b"", b"\0" * 5, b"\xff" * 600])
async def test_garbage_is_no_answer(wire: bytes) -> None:
    with DnsServer(lambda _: wire) as server:
        result = await probe(f"dns://127.0.0.1:{server.port}/example.test", timeout="300ms")
    assert reason(result) in (FailureReason.PROTOCOL, FailureReason.TIMEOUT)


def test_the_address_of_a_question() -> None:
    assert question_of("dns:///example.test") == Question("example.test", "A", None, 53)
    assert question_of("dns://[2001:db8::53]:5353/a.test?type=TXT") == Question("a.test", "TXT", "2001:db8::53", 5353)
    for url in ("dns://192.0.2.53", "dns:///a.test?type=MISSPELT", "dns:///a.test?class=ch", "dns:///a.test?tpye=A"):
        with pytest.raises(Unanswered):
            question_of(url)


async def test_many_at_once() -> None:
    with DnsServer(ZONE) as server:
        url = f"dns://127.0.0.1:{server.port}/example.test"
        results = await asyncio.gather(*(probe(url) for _ in range(50)))
    assert all(result.ok for result in results)
