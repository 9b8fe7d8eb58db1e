"""Names by DNS, against real servers on loopback, with a clock that the test moves."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import dns.flags
import dns.message
import dns.rcode
import pytest
import uvloop

from probes.engine.failures import Unanswered
from probes.engine.names import name_servers
from probes.engine.names.dns_resolver import DnsResolver, resolver_of_host
from probes.engine.names.system_resolver import SystemResolver
from probes.options import IpOptions
from probes.result import Failure, FailureReason
from tests.probes.engine.names.host import Host
from tests.probes.support import eventually
from tests.support.dns_server import DnsServer, records, with_rcode
from tests.support.wait import free_port

ONE = records(("a.test", "A", "127.0.0.1"), missing_ttl=5)
TWO = records(("a.test", "A", "127.0.0.2"))
SEVERAL = records(
    *(("a.test", "A", f"127.0.0.{last}") for last in (3, 1, 2)),
    ("a.test", "AAAA", "::1"),
    ("alias.test", "CNAME", "other.test."),
    ("other.test", "CNAME", "a.test."),
    ("loop.test", "CNAME", "pool.test."),
    ("pool.test", "CNAME", "loop.test."),
    ("text.test", "TXT", "no address"),
    ("v6.test", "AAAA", "::1"),
)


async def failure_of(host: Host, name: str) -> Failure:
    with pytest.raises(Unanswered) as raised:
        await host.ips(name)
    return raised.value.failure


async def test_both_types_are_asked_for_and_each_address_comes_with_the_port(tmp_path: Path) -> None:
    with DnsServer(SEVERAL) as server:
        host = Host(tmp_path, port=server.port)
        found = await host.resolver.resolve("a.test", 8443)
    of_v4 = [address.ip for address in found if address.family is socket.AF_INET]
    assert sorted(of_v4) == ["127.0.0.1", "127.0.0.2", "127.0.0.3"]
    assert {address.ip for address in found} - set(of_v4) <= {"::1"}
    assert {address.sockaddr[1] for address in found} == {8443}
    assert sorted(server.asked) == ["A a.test udp", "AAAA a.test udp"]


async def test_what_is_known_is_used_until_its_ttl_ends_and_not_after(tmp_path: Path) -> None:
    with DnsServer(ONE) as server:
        host = Host(tmp_path, port=server.port)
        assert host.resolver.cached("a.test", 80) is None
        assert await host.ips("a.test") == ["127.0.0.1"]
        server.answer = TWO
        host.clock.now += 59.9
        assert await host.ips("a.test") == ["127.0.0.1"]
        assert len(server.asked) == 2
        known = host.resolver.cached("a.test", 443)
        assert known is not None
        assert known[0].sockaddr == ("127.0.0.1", 443)
        host.clock.now += 0.1
        assert host.resolver.cached("a.test", 80) is None
        assert await host.ips("a.test") == ["127.0.0.2"]
        assert len(server.asked) == 4


async def test_a_server_that_vanished_is_told_and_what_it_said_is_not_used_on(tmp_path: Path) -> None:
    with DnsServer(ONE) as server:
        host = Host(tmp_path, port=server.port)
        assert await host.ips("a.test") == ["127.0.0.1"]
    host.clock.now += 60
    failed = await failure_of(host, "a.test")
    assert failed.reason is FailureReason.DNS
    assert f"no name server has an answer: 127.0.0.1 port {server.port}: Connection refused" in failed.detail
    with DnsServer(TWO, port=server.port):
        assert await host.ips("a.test") == ["127.0.0.2"], "a failure to ask is not kept"


async def test_a_ttl_of_nothing_is_kept_for_a_second_and_a_long_one_for_an_hour(tmp_path: Path) -> None:
    for ttl, kept_seconds in ((0, 1.0), (2**31 - 1, 3600.0)):
        with DnsServer(records(("a.test", "A", "127.0.0.1"), ttl=ttl)) as server:
            host = Host(tmp_path, port=server.port)
            await host.ips("a.test")
            host.clock.now += kept_seconds - 0.01
            assert host.resolver.cached("a.test", 80) is not None
            host.clock.now += 0.02
            assert host.resolver.cached("a.test", 80) is None


async def test_a_name_that_is_not_there_is_known_for_as_long_as_the_soa_says(tmp_path: Path) -> None:
    with DnsServer(records(missing_ttl=5)) as server:
        host = Host(tmp_path, port=server.port)
        failed = await failure_of(host, "a.test")
        assert failed == Failure(FailureReason.DNS, "cannot resolve 'a.test': there is no such name")
        server.answer = ONE
        host.clock.now += 4.9
        assert await failure_of(host, "a.test") == failed
        with pytest.raises(Unanswered):
            host.resolver.cached("a.test", 80)
        assert len(server.asked) == 2
        host.clock.now += 0.1
        assert await host.ips("a.test") == ["127.0.0.1"]


async def test_that_a_name_is_not_there_is_known_for_ten_seconds_at_most(tmp_path: Path) -> None:
    for missing_ttl in (86400, None):
        with DnsServer(records(missing_ttl=missing_ttl)) as server:
            host = Host(tmp_path, port=server.port)
            await failure_of(host, "a.test")
            server.answer = ONE
            host.clock.now += 10
            assert await host.ips("a.test") == ["127.0.0.1"]


async def test_a_name_without_an_address(tmp_path: Path) -> None:
    with DnsServer(SEVERAL) as server:
        failed = await failure_of(Host(tmp_path, port=server.port), "text.test")
    assert failed == Failure(FailureReason.DNS, "cannot resolve 'text.test': it has neither an A nor an AAAA record")


async def test_probes_of_one_name_share_a_lookup_and_one_that_gives_up_leaves_it_to_the_others(tmp_path: Path) -> None:
    with DnsServer(ONE) as server:
        host = Host(tmp_path, port=server.port)
        asking = [asyncio.create_task(host.ips("a.test")) for _ in range(20)]
        await asyncio.sleep(0)  # all ask
        asking[0].cancel()
        assert await asyncio.gather(*asking[1:]) == [["127.0.0.1"]] * 19
        assert asking[0].cancelled()
        assert len(server.asked) == 2


async def test_afresh_is_asked_for_each_time_and_tells_the_others(tmp_path: Path) -> None:
    with DnsServer(ONE) as server:
        host = Host(tmp_path, port=server.port)
        await host.ips("a.test")
        server.answer = TWO
        together = await asyncio.gather(*(host.ips("a.test", afresh=True) for _ in range(3)))
        assert together == [["127.0.0.2"]] * 3
        assert len(server.asked) == 8
        assert await host.ips("a.test") == ["127.0.0.2"]
        assert len(server.asked) == 8
        assert await host.ips("127.0.0.9", afresh=True) == ["127.0.0.9"]
        assert set(await host.ips("localhost", afresh=True)) <= {"127.0.0.1", "::1"}


@pytest.mark.parametrize("name", ["a.test", "alias.test", "other.test"])
async def test_aliases_are_followed(tmp_path: Path, name: str) -> None:
    with DnsServer(SEVERAL) as server:
        assert "127.0.0.3" in await Host(tmp_path, port=server.port).ips(name)


async def test_aliases_without_end_are_given_up(tmp_path: Path) -> None:
    with DnsServer(SEVERAL) as server:
        failed = await failure_of(Host(tmp_path, port=server.port), "loop.test")
    assert failed.reason is FailureReason.DNS
    assert "alias" in failed.detail
    assert len(server.asked) <= 2 * name_servers.MAX_HOPS


async def test_a_truncated_answer_is_asked_for_over_tcp(tmp_path: Path) -> None:
    many = records(*(("many.test", "A", f"127.0.{i // 250}.{i % 250 + 1}") for i in range(2000)))
    with DnsServer(many, truncate=True) as server:
        host = Host(tmp_path, port=server.port)
        assert len(await host.ips("many.test")) == 64, "of a name with very many some are enough"
    assert "A many.test tcp" in server.asked


async def test_the_next_server_is_asked_when_one_refuses(tmp_path: Path) -> None:
    with (
        DnsServer(with_rcode(dns.rcode.SERVFAIL)) as first,
        DnsServer(ONE, host="127.0.0.2", port=first.port) as second,
    ):
        both = "nameserver 127.0.0.1\nnameserver 127.0.0.2\n"
        host = Host(tmp_path, port=first.port, resolv_conf=both)
        assert await host.ips("a.test") == ["127.0.0.1"]
        assert first.asked
        first.asked.clear()
        host.clock.now += 60
        assert await host.ips("a.test") == ["127.0.0.1"]
        assert not first.asked, "the one that answered is asked first from then on"
        second.answer = with_rcode(dns.rcode.REFUSED)
        host.clock.now += 60
        failed = await failure_of(host, "a.test")
    assert "127.0.0.1 port" in failed.detail
    assert "SERVFAIL" in failed.detail
    assert "REFUSED" in failed.detail


async def test_the_next_server_is_asked_when_one_is_not_there_or_silent(tmp_path: Path) -> None:
    with DnsServer(ONE, host="127.0.0.2") as second:
        both = "nameserver 127.0.0.1\nnameserver 127.0.0.2\noptions timeout:1\n"
        assert await Host(tmp_path, port=second.port, resolv_conf=both).ips("a.test") == ["127.0.0.1"]
        with DnsServer(lambda _: None, port=second.port) as silent:
            assert await Host(tmp_path, port=second.port, resolv_conf=both).ips("a.test") == ["127.0.0.1"]
            assert silent.asked


def _lying(query: dns.message.Message) -> bytes:
    """The answer to another question."""
    return dns.message.make_response(dns.message.make_query("bank.test", "A")).to_wire()


def _wrong_id(query: dns.message.Message) -> bytes:
    response = dns.message.make_response(query)
    response.id = query.id ^ 1
    return response.to_wire()


def _truncated_for_another(query: dns.message.Message) -> bytes:
    response = dns.message.make_response(query)
    response.id, response.flags = query.id ^ 1, response.flags | dns.flags.TC
    return response.to_wire()


@pytest.mark.parametrize("wrong", [_lying, _wrong_id, _truncated_for_another, lambda _: b"", lambda _: b"\xff" * 300])
async def test_what_is_no_answer_is_passed_over(tmp_path: Path, wrong: object) -> None:
    with DnsServer(wrong) as first, DnsServer(ONE, host="127.0.0.2", port=first.port):  # type: ignore[arg-type]
        both = "nameserver 127.0.0.1\nnameserver 127.0.0.2\noptions timeout:1\n"
        assert await Host(tmp_path, port=first.port, resolv_conf=both).ips("a.test") == ["127.0.0.1"]


async def test_a_server_that_never_answers_for_aaaa_delays_but_does_not_break(tmp_path: Path) -> None:
    zone = records(("a.test", "A", "127.0.0.1"), ttl=300)
    with DnsServer(lambda query: None if query.question[0].rdtype == dns.rdatatype.AAAA else zone(query)) as server:
        host = Host(tmp_path, port=server.port)
        assert await host.ips("a.test") == ["127.0.0.1"]
        with pytest.raises(Unanswered, match=r"no IPv6 address .no name server answered in time., and"):
            await host.resolver.resolve("a.test", 80, IpOptions(prefer=6, fallback=False))
        host.clock.now += 10
        assert host.resolver.cached("a.test", 80) is None, "half an answer is not kept for its whole TTL"


async def test_the_search_list_and_ndots(tmp_path: Path) -> None:
    zone = records(("api.svc.test", "A", "127.0.0.1"), ("a.b", "A", "127.0.0.2"), ("a.b.c", "A", "127.0.0.3"))
    search = (
        "nameserver 127.0.0.1\nsearch nothing.test svc.test bad..name\nsearch nothing.test svc.test\noptions ndots:2\n"
    )
    with DnsServer(zone) as server:
        host = Host(tmp_path, port=server.port, resolv_conf=search)
        assert await host.ips("api") == ["127.0.0.1"]
        assert sorted(server.asked)[:2] == ["A api.nothing.test udp", "A api.svc.test udp"]
        server.asked.clear()
        assert await host.ips("a.b") == ["127.0.0.2"]
        assert [asked for asked in server.asked if asked.startswith("A ")][-1] == "A a.b udp"
        server.asked.clear()
        assert await host.ips("a.b.c") == ["127.0.0.3"]
        assert sorted(server.asked) == ["A a.b.c udp", "AAAA a.b.c udp"]
        server.asked.clear()
        await failure_of(host, "api.")
        assert sorted(server.asked) == ["A api udp", "AAAA api udp"]


async def test_files_come_first_and_count_as_soon_as_they_change(tmp_path: Path) -> None:
    with DnsServer(ONE) as server, DnsServer(TWO, host="127.0.0.2", port=server.port):
        host = Host(tmp_path, port=server.port, hosts="127.0.0.9 a.test\n")
        assert await host.ips("a.test") == ["127.0.0.9"]
        host.write("hosts", "")
        assert await host.ips("a.test") == ["127.0.0.9"], "looked at less than a second ago"
        host.clock.now += 1
        assert await host.ips("a.test") == ["127.0.0.1"]
        host.write("resolv.conf", "nameserver 127.0.0.2\n")
        host.clock.now += 1
        assert await host.ips("a.test") == ["127.0.0.2"]


async def test_an_answer_of_before_a_change_is_not_kept(tmp_path: Path) -> None:
    with DnsServer(ONE, delay_seconds=0.5) as server:
        host = Host(tmp_path, port=server.port)
        asking = asyncio.create_task(host.ips("a.test"))
        await eventually(lambda: len(server.asked) == 2, "both questions are on their way")
        host.write("hosts", "127.0.0.9 a.test\n")
        host.clock.now += 1
        assert await host.ips("a.test") == ["127.0.0.9"]
        assert await asking == ["127.0.0.1"]
        assert await host.ips("a.test") == ["127.0.0.9"]


@pytest.mark.parametrize("name", ["", "a..b", "x" * 64 + ".test", ".", "a\\"])
async def test_a_name_that_cannot_be_one(tmp_path: Path, name: str) -> None:
    failed = await failure_of(Host(tmp_path, port=free_port()), name)
    assert failed.reason is FailureReason.DNS


async def test_names_that_no_server_is_asked_for(tmp_path: Path) -> None:
    host = Host(tmp_path, port=free_port())
    assert "there is no such name" in (await failure_of(host, "example.INVALID.")).detail
    (own,) = [await host.resolver.resolve("::1%1", 80)]
    assert own[0].ip == "::1"


async def test_a_lack_of_files_is_our_fault_and_not_that_of_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_more_files(*_: object) -> None:
        raise OSError(24, "Too many open files")

    host = Host(tmp_path, port=free_port())
    monkeypatch.setattr(name_servers, "Datagrams", no_more_files)
    failed = await failure_of(host, "a.test")
    assert failed.reason is FailureReason.INTERNAL


def test_it_serves_one_loop_after_another_and_uvloop_too(tmp_path: Path) -> None:
    for truncate in (False, True):
        with DnsServer(ONE, truncate=truncate) as server:
            host = Host(tmp_path, port=server.port)
            assert asyncio.run(host.ips("a.test", afresh=True)) == ["127.0.0.1"]
            assert uvloop.run(host.ips("a.test", afresh=True)) == ["127.0.0.1"]


def test_which_resolver_a_host_has(tmp_path: Path) -> None:
    nsswitch = tmp_path / "nsswitch.conf"
    assert isinstance(resolver_of_host(nsswitch), DnsResolver)
    nsswitch.write_text("hosts: files mdns4_minimal [NOTFOUND=return] dns\n")
    assert isinstance(resolver_of_host(nsswitch), SystemResolver)
