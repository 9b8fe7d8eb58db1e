"""The DNS probe against a real server on loopback."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest
import trustme
import uvloop

from probes.engine.dns_question import Question, question_of
from probes.engine.failures import Unanswered
from probes.result import Clock, FailureReason, Phase
from tests.probes.support import detail, probe, reason, use_hosts, use_name_servers
from tests.support.dns_server import DnsServer, records, with_rcode
from tests.support.wait import free_port

ZONE = records(
    ("example.test", "A", "192.0.2.1"),
    ("example.test", "A", "192.0.2.2"),
    ("example.test", "AAAA", "2001:db8::1"),
    ("example.test", "TXT", '"v=spf1 -all" "a\\"b"'),
    ("example.test", "CAA", '0 issue "ca.test"'),
    ("mail.test", "MX", "10 example.test."),
    ("alias.test", "CNAME", "example.test."),
    ("test", "SOA", "ns.test. hostmaster.test. 7 7200 900 1209600 5"),
    missing_ttl=5,
)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def ca_file(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(str(file))
    return file


def server_tls(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    return context


@pytest.mark.parametrize("scheme", ["dns", "dns+tcp"])
@pytest.mark.parametrize(
    ("path", "failure"),
    [
        ("example.test", None),
        ("example.test?type=AAAA", None),
        ("example.test?TYPE=aaaa", None),
        ("example.test?class=IN;type=A", None),
        ("example.test?type=txt", None),
        ("example.test?type=CAA", None),
        ("alias.test?type=CNAME", None),
        ("test?type=SOA", None),
        ("mail.test?type=MX", None),
        ("mail.test?type=ANY", FailureReason.DNS),
        ("example.test?type=MX", FailureReason.DNS),
        ("missing.test", FailureReason.DNS),
        ("example.test?type=NONSENSE", FailureReason.INTERNAL),
        ("example.test?type=AXFR", FailureReason.INTERNAL),
        ("a..b", FailureReason.INTERNAL),
        ("", FailureReason.INTERNAL),
    ],
)
async def test_questions(scheme: str, path: str, failure: FailureReason | None) -> None:
    with DnsServer(ZONE) as server:
        result = await probe(f"{scheme}://127.0.0.1:{server.port}/{path}")
    assert reason(result) is failure, result.failure
    assert {asked.rpartition(" ")[2] for asked in server.asked} <= {"tcp" if scheme == "dns+tcp" else "udp"}


async def test_an_answer_has_its_facts_and_phases() -> None:
    with DnsServer(ZONE) as server:
        found = await probe(f"dns://127.0.0.1:{server.port}/example.test")
        missing = await probe(f"dns://127.0.0.1:{server.port}/missing.test")
        over_tcp = await probe(f"dns+tcp://127.0.0.1:{server.port}/example.test")
    assert found.dns is not None
    assert (found.dns.rcode, found.dns.answers, found.address) == ("NOERROR", 2, "127.0.0.1")
    assert [phase for phase, _ in found.phases] == [Phase.RESOLVE, Phase.REQUEST]
    assert [phase for phase, _ in over_tcp.phases] == [Phase.RESOLVE, Phase.CONNECT, Phase.REQUEST]
    assert sum(seconds for _, seconds in found.phases) == pytest.approx(found.duration_seconds)
    assert missing.dns is not None
    assert (missing.dns.rcode, missing.dns.authority) == ("NXDOMAIN", 1)
    assert "NXDOMAIN, expected NOERROR" in detail(missing)


async def test_over_tls_the_certificate_is_verified_and_recorded(authority: trustme.CA, ca_file: Path) -> None:
    with DnsServer(ZONE, tls=server_tls(authority, "localhost")) as server:
        at, by_ip = f"localhost:{server.port}/example.test", f"127.0.0.1:{server.port}/example.test"
        good = await probe(f"dns+tls://{at}", tls={"ca_file": ca_file})
        renamed = await probe(f"dns+tls://{by_ip}", tls={"ca_file": ca_file, "server_name": "localhost"})
        wrong_name = await probe(f"dns+tls://{by_ip}", tls={"ca_file": ca_file})
        unknown = await probe(f"dns+tls://{at}")
        unverified = await probe(f"dns+tls://{at}", tls={"verify": False})
    assert good.ok, good.failure
    assert [phase for phase, _ in good.phases] == [Phase.RESOLVE, Phase.CONNECT, Phase.TLS, Phase.REQUEST]
    assert good.tls is not None
    assert good.tls.verified
    assert renamed.ok, renamed.failure
    assert [reason(wrong_name), reason(unknown)] == [FailureReason.CERTIFICATE] * 2
    assert unknown.tls is not None
    assert unverified.ok
    assert unverified.tls is not None
    assert not unverified.tls.verified
    assert set(server.asked) == {"A example.test tls"}


async def test_tls_where_there_is_none() -> None:
    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 no TLS here\r\n")
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        result = await probe(f"dns+tls://127.0.0.1:{port}/example.test")
    assert reason(result) is FailureReason.TLS, result.failure


async def test_a_truncated_answer_is_asked_for_over_tcp() -> None:
    with DnsServer(ZONE, truncate=True) as server:
        result = await probe(f"dns://127.0.0.1:{server.port}/example.test")
    assert result.ok
    assert server.asked == ["A example.test udp", "A example.test tcp"]
    assert [phase for phase, _ in result.phases] == [Phase.RESOLVE, Phase.REQUEST, Phase.CONNECT]


def test_it_runs_on_uvloop_too() -> None:
    for truncate in (False, True):
        with DnsServer(ZONE, truncate=truncate) as server:
            assert uvloop.run(probe(f"dns://127.0.0.1:{server.port}/example.test")).ok


@pytest.mark.parametrize("scheme", ["dns", "dns+tcp"])
async def test_a_server_that_does_not_answer(scheme: str) -> None:
    with DnsServer(lambda _: None) as server:
        result = await probe(f"{scheme}://127.0.0.1:{server.port}/example.test", timeout="300ms")
    if scheme == "dns":
        assert reason(result) is FailureReason.TIMEOUT
        assert dict(result.phases)[Phase.REQUEST] > 0.2
    else:
        assert reason(result) is FailureReason.RESET, "it closes the connection"


async def test_a_slow_server_is_measured_so() -> None:
    with DnsServer(ZONE, delay_seconds=0.2) as server:
        for scheme in ("dns", "dns+tcp"):
            result = await probe(f"{scheme}://127.0.0.1:{server.port}/example.test")
            assert result.ok
            assert dict(result.phases)[Phase.REQUEST] >= 0.199


async def test_a_server_that_is_not_there() -> None:
    port = free_port()
    for scheme in ("dns", "dns+tcp", "dns+tls"):
        result = await probe(f"{scheme}://127.0.0.1:{port}/example.test")
        assert reason(result) is FailureReason.REFUSED, scheme


def _another_question(query: dns.message.Message) -> bytes:
    response = dns.message.make_response(dns.message.make_query("bank.test", "A"))
    response.id = query.id
    return response.to_wire()


def _wrong_id(query: dns.message.Message) -> bytes:
    response = dns.message.make_response(query)
    response.id = query.id ^ 1
    return response.to_wire()


def _question_itself(query: dns.message.Message) -> bytes:
    return query.to_wire()


@pytest.mark.parametrize("scheme", ["dns", "dns+tcp"])
@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda _: b"\0", "not valid DNS"),
        (lambda _: b"\0" * 5, "not valid DNS"),
        (lambda _: b"\xff" * 600, ""),
        (lambda query: query.to_wire() + b"\0", "not valid DNS"),
        (_another_question, "answers another question"),
        (_wrong_id, "the id of another question"),
        (_question_itself, "answers another question"),
    ],
)
async def test_what_is_no_answer(scheme: str, wrong: Any, said: str) -> None:
    with DnsServer(wrong) as server:
        result = await probe(f"{scheme}://127.0.0.1:{server.port}/example.test")
    assert reason(result) is FailureReason.PROTOCOL, result.failure
    assert said in detail(result)


def _half(query: dns.message.Message) -> bytes:
    wire = bytearray(ZONE(query) or b"")
    wire[2] |= 0x02  # truncated
    return bytes(wire[:-5])


async def test_an_answer_that_was_cut_in_a_record_is_a_truncated_one() -> None:
    with DnsServer(_half) as server:
        result = await probe(f"dns://127.0.0.1:{server.port}/example.test")
    assert [asked.rpartition(" ")[2] for asked in server.asked] == ["udp", "tcp"]
    assert reason(result) is FailureReason.PROTOCOL, "over TCP there is room for all of it"


def test_the_address_of_a_question() -> None:
    assert question_of("dns:///example.test") == Question("example.test", "A", None, 53)
    assert question_of("dns://[2001:db8::53]:5353/a.test?type=TXT") == Question("a.test", "TXT", "2001:db8::53", 5353)
    assert question_of("dns+tcp:///a.test") == Question("a.test", "A", None, 53, "tcp")
    assert question_of("dns+tls://dns.test/a.test") == Question("a.test", "A", "dns.test", 853, "tls")
    for url in ("dns://192.0.2.53", "dns:///a.test?type=MISSPELT", "dns:///a.test?class=ch", "dns:///a.test?tpye=A"):
        with pytest.raises(Unanswered):
            question_of(url)


@pytest.mark.parametrize("recursion", [True, False])
async def test_recursion_is_asked_for_or_not(recursion: bool) -> None:
    desired: list[bool] = []

    def answer(query: dns.message.Message) -> bytes | None:
        desired.append(bool(query.flags & dns.flags.RD))
        return ZONE(query)

    with DnsServer(answer) as server:
        assert (await probe(f"dns://127.0.0.1:{server.port}/example.test", dns={"recursion": recursion})).ok
    assert desired == [recursion]


@pytest.mark.parametrize(
    ("expect", "said"),
    [
        ({"min_answers": 2}, None),
        ({"min_answers": 3}, "has 2 such records, expected at least 3"),
        ({"answer": {"regex": r"^example\.test\. 60 IN A 192\.0\.2\.2$"}}, None),
        ({"answer": {"regex": r"A 192\.0\.2\.3"}}, "in the section answer no record matches"),
        ({"answer": {"not_regex": r"192\.0\.2\.2"}}, "'192"),
        ({"answer": {"not_regex": r"192\.0\.2\.3"}}, None),
        ({"answer": {"regex": r"\.1\n"}}, "no record matches"),
        ({"authority": {"regex": "NS"}}, "in the section authority no record matches 'NS': there is none"),
        ({"additional": {"not_regex": "."}}, None),
        ({"rcode": ["noerror", "NXDOMAIN"]}, None),
        ({"rcode": ["NXDOMAIN"]}, "NOERROR, expected NXDOMAIN"),
        ({"answer": {"regex": "(.*.*)*x"}}, "took more than 0.25 s of CPU"),
    ],
)
async def test_expectations(expect: dict[str, Any], said: str | None) -> None:
    with DnsServer(ZONE) as server:
        result = await probe(f"dns://127.0.0.1:{server.port}/example.test", expect={"dns": expect})
    if said is None:
        assert result.ok, result.failure
    else:
        assert said in detail(result)
        assert reason(result) in (FailureReason.DNS, FailureReason.RESPONSE)
        assert result.dns is not None, "it was answered"


async def test_that_a_name_is_not_there_can_be_what_is_expected() -> None:
    with DnsServer(ZONE) as server:
        url = f"dns://127.0.0.1:{server.port}/missing.test"
        expect = {"rcode": ["NXDOMAIN"], "authority": {"regex": r"^\. 5 IN SOA ns\.test\. "}}
        assert (await probe(url, expect={"dns": expect})).ok
        assert reason(await probe(url, expect={"dns": expect | {"min_answers": 1}})) is FailureReason.DNS
        server.answer = with_rcode(dns.rcode.SERVFAIL)
        assert "SERVFAIL" in detail(await probe(url, expect={"dns": expect}))
        server.answer = with_rcode(dns.rcode.NOERROR)
        empty = f"dns://127.0.0.1:{server.port}/example.test"
        assert reason(await probe(empty)) is FailureReason.DNS
        assert (await probe(empty, expect={"dns": {"min_answers": 0}})).ok


async def test_a_server_by_a_name_of_several_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a server that is named the next address is asked when the first does not answer."""
    with DnsServer(lambda _: None, host="127.0.0.2") as silent, DnsServer(ZONE, port=silent.port):
        use_hosts(monkeypatch, "127.0.0.2 dns.test\n127.0.0.1 dns.test\n")
        result = await probe(f"dns://dns.test:{silent.port}/example.test", timeout="2s")
        assert result.ok
        assert result.address == "127.0.0.1"
        assert silent.asked


async def test_the_systems_own_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    with DnsServer(ZONE) as good, DnsServer(with_rcode(dns.rcode.REFUSED), host="127.0.0.2", port=good.port):
        use_name_servers(monkeypatch, "127.0.0.3", "127.0.0.1")
        first = await probe(f"dns://:{good.port}/example.test")
        assert first.ok
        assert first.address == "127.0.0.1", "nobody is at 127.0.0.3"
        use_name_servers(monkeypatch, "127.0.0.2", "127.0.0.1")
        assert "REFUSED" in detail(await probe(f"dns://:{good.port}/example.test")), "that is an answer"
        every = await probe(f"dns://:{good.port}/example.test", addresses="all")
    assert [(each.ip, each.ok) for each in every.addresses] == [("127.0.0.2", False), ("127.0.0.1", True)]
    assert "1 of 2 addresses fails: 127.0.0.2: A of 'example.test': REFUSED" in detail(every)


async def test_the_time_is_by_the_kernels_stamp_where_there_is_one() -> None:
    with DnsServer(ZONE) as server:
        result = await probe(f"dns://127.0.0.1:{server.port}/example.test")
    assert result.clock in (Clock.KERNEL, Clock.USER)
    assert not result.suspect or result.clock is Clock.USER


async def test_many_at_once() -> None:
    with DnsServer(ZONE) as server:
        url = f"dns://127.0.0.1:{server.port}/example.test"
        results = await asyncio.gather(*(probe(url) for _ in range(50)))
    assert all(result.ok for result in results)
