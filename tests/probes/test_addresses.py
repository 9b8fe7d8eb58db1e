"""Which of a name's addresses are probed, against real servers on several loopback addresses."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from probes import load
from probes.context import ProbeContext
from probes.engine import transport
from probes.engine.dial import addresses_of, dial
from probes.engine.exchange import Exchange, Step
from probes.engine.failures import Unanswered
from probes.engine.resolve import Pinned, literal
from probes.options import IpOptions
from probes.result import FailureReason, Phase
from tests.probes.engine.names.host import Host
from tests.probes.support import detail, probe, reason, target, use_hosts
from tests.support.dns_server import DnsServer, records
from tests.support.wait import free_port

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
BROKEN = b"HTTP/1.1 500 Broken\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@asynccontextmanager
async def listening(answer: Callable[[str, Peer], Awaitable[None]], *ips: str) -> AsyncIterator[int]:
    """On one port of each address a server; `answer` is given the address and the connection. The port."""
    talks: set[asyncio.Task[None] | None] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talks.add(asyncio.current_task())
        try:
            await answer(writer.get_extra_info("sockname")[0], Peer(reader, writer))
        finally:
            with suppress(OSError):
                writer.close()
                await writer.wait_closed()

    port = free_port()
    async with AsyncExitStack() as stack:
        for ip in ips:
            await stack.enter_async_context(await asyncio.start_server(talk, ip, port))
        yield port
    await asyncio.gather(*(task for task in talks if task is not None))


class Peer(NamedTuple):
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


@asynccontextmanager
async def serving(answers: Mapping[str, bytes | None]) -> AsyncIterator[tuple[int, list[str]]]:
    """On one port of each of these addresses a server that gives its answer to any request; None: it never answers.
    (the port, the addresses that were asked)"""
    asked: list[str] = []

    async def answer(ip: str, peer: Peer) -> None:
        asked.append(ip)
        if await peer.reader.read(4096) and (data := answers[ip]) is not None:
            peer.writer.write(data)
        else:
            await peer.reader.read()

    async with listening(answer, *answers) as port:
        yield port, asked


def named(monkeypatch: pytest.MonkeyPatch, name: str, *ips: str) -> str:
    use_hosts(monkeypatch, "".join(f"{ip} {name}\n" for ip in ips))
    return name


async def test_all_addresses_are_probed(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving({"127.0.0.1": OK, "127.0.0.2": OK}) as (port, asked):
        name = named(monkeypatch, "good.test", "127.0.0.1", "127.0.0.2")
        result = await probe(f"http://{name}:{port}/", addresses="all")
        first = await probe(f"http://{name}:{port}/")
    assert result.ok, result.failure
    assert [(each.ip, each.ok, each.reason) for each in result.addresses] == [
        ("127.0.0.1", True, None),
        ("127.0.0.2", True, None),
    ]
    assert result.duration_seconds == max(each.duration_seconds for each in result.addresses)
    assert [phase for phase, _ in result.phases] == [Phase.RESOLVE, Phase.CONNECT, Phase.PROCESSING, Phase.TRANSFER]
    assert sorted(asked) == ["127.0.0.1", "127.0.0.1", "127.0.0.2"]
    assert (first.address, first.addresses) == ("127.0.0.1", ())


async def test_it_fails_when_one_address_does_and_tells_each(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving({"127.0.0.1": OK, "127.0.0.2": BROKEN, "127.0.0.3": None}) as (port, _):
        name = named(monkeypatch, "bad.test", "127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4")
        began = time.monotonic()
        result = await probe(f"http://{name}:{port}/", addresses="all", timeout="1s")
        assert time.monotonic() - began < 5, "they share one deadline"
        first = await probe(f"http://{name}:{port}/")
    assert first.ok, "the first is good"
    assert reason(result) is FailureReason.TIMEOUT
    assert [each.reason for each in result.addresses] == [
        None,
        FailureReason.STATUS,
        FailureReason.TIMEOUT,
        FailureReason.REFUSED,
    ]
    text = detail(result)
    assert text.startswith("3 of 4 addresses fail: 127.0.0.3: not done within 1 s")
    assert "127.0.0.2: status 500, expected 2xx" in text
    assert "127.0.0.4: connecting to 127.0.0.4 port" in text
    assert result.address == "127.0.0.3"


async def test_of_very_many_addresses_sixteen_are_probed(monkeypatch: pytest.MonkeyPatch) -> None:
    name = named(monkeypatch, "many.test", *(f"127.0.1.{last}" for last in range(1, 21)))
    result = await probe(f"tcp://{name}:{free_port()}", addresses="all")
    assert len(result.addresses) == 16
    assert reason(result) is FailureReason.REFUSED
    assert "16 of 16 addresses fail, 4 more were not probed: 127.0.1.1: " in detail(result)


async def test_a_name_that_is_not_there_has_no_addresses() -> None:
    result = await probe(f"tcp://{'x' * 64}.invalid:80", addresses="all")
    assert reason(result) is FailureReason.DNS
    assert result.addresses == ()
    assert [phase for phase, _ in result.phases] == [Phase.RESOLVE]


async def test_an_address_in_place_of_a_name_is_all_there_is() -> None:
    result = await probe(f"tcp://127.0.0.1:{free_port()}", addresses="all")
    assert [each.ip for each in result.addresses] == ["127.0.0.1"]
    assert detail(result).startswith("connecting to 127.0.0.1 port")


async def test_a_redirect_stays_at_the_address_unless_it_leads_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    def to(location: str) -> bytes:
        return f"HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()

    same = named(monkeypatch, "same.test", "127.0.0.1", "127.0.0.2")
    other = named(monkeypatch, "other.test", "127.0.0.3")
    async with serving({"127.0.0.1": OK, "127.0.0.2": OK, "127.0.0.3": OK}) as (port, asked):
        for host, then in ((same.upper(), ["127.0.0.1", "127.0.0.2"]), (other, ["127.0.0.3"] * 2)):
            redirect = to(f"http://{host}:{port}/")
            asked.clear()
            async with serving({"127.0.0.1": redirect, "127.0.0.2": redirect}) as (redirecting, _):
                result = await probe(f"http://{same}:{redirecting}/", addresses="all")
            assert result.ok, result.failure
            assert sorted(asked) == then
            assert [each.ip for each in result.addresses] == ["127.0.0.1", "127.0.0.2"]


async def test_each_step_says_of_which_address_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving({"127.0.0.1": OK, "127.0.0.2": OK}) as (port, _):
        name = named(monkeypatch, "steps.test", "127.0.0.1", "127.0.0.2")
        asked = target(f"http://{name}:{port}/", addresses="all")
        steps: list[Step] = []
        await load("http")(asked, ProbeContext(region="test", steps=steps))
    sent = [step.told().partition(":")[0] for step in steps if step.what == "sent the request"]
    assert sorted(sent) == ["127.0.0.1", "127.0.0.2"]


async def test_the_preferred_ip_version_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    name = named(monkeypatch, "both.test", "::1", "127.0.0.1")
    port = free_port()
    for prefer, fallback, ips in (
        (4, True, ["127.0.0.1", "::1"]),
        (6, True, ["::1", "127.0.0.1"]),
        (4, False, ["127.0.0.1"]),
        (6, False, ["::1"]),
    ):
        ip = {"prefer": prefer, "fallback": fallback}
        result = await probe(f"tcp://{name}:{port}", ip=ip, addresses="all")
        tried = [each.ip for each in result.addresses]
        assert tried == ips or "::1" not in tried, "this host may have no IPv6"


async def test_without_an_address_of_the_version_that_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    name = named(monkeypatch, "only4.test", "127.0.0.1")
    for addresses in ("first", "all"):
        result = await probe(f"tcp://{name}:80", ip={"prefer": 6, "fallback": False}, addresses=addresses)
        assert reason(result) is FailureReason.DNS
        assert detail(result) == "'only4.test' has no IPv6 address, and ip.fallback is false"


async def test_the_next_address_has_its_turn_when_one_does_not_answer(tmp_path: Path) -> None:
    with DnsServer(records(("a.test", "A", "127.0.0.2"), ("a.test", "A", "127.0.0.1"))) as names:
        host = Host(tmp_path, port=names.port)
        async with serving({"127.0.0.1": OK}) as (port, _):
            exchange = Exchange()
            found = await dial("a.test", port, exchange, deadline=time.monotonic() + 5, resolver=host.resolver)
            found.close()
    assert exchange.address == "127.0.0.1"


async def test_afresh_is_asked_at_each_probe_and_pinned_at_none(tmp_path: Path) -> None:
    with DnsServer(records(("a.test", "A", "127.0.0.1"))) as names:
        host = Host(tmp_path, port=names.port)
        for exchange, questions in (
            (Exchange(), 2),
            (Exchange(), 2),
            (Exchange(afresh=True), 4),
            (Exchange(afresh=True), 6),
            (Exchange(afresh=True, pinned=Pinned("A.test", literal("127.0.0.7", 0)[0])), 6),
        ):
            (address,) = await addresses_of("a.test", 80, exchange, host.resolver)
            assert len(names.asked) == questions
            assert exchange.stage is Phase.RESOLVE
        assert address.sockaddr == ("127.0.0.7", 80)
        with pytest.raises(Unanswered):
            await addresses_of("a.test", 80, Exchange(ip=IpOptions(prefer=6, fallback=False)), host.resolver)


async def test_a_connection_that_is_kept_is_one_of_each_address(monkeypatch: pytest.MonkeyPatch) -> None:
    connections: list[str] = []

    async def answer(ip: str, peer: Peer) -> None:
        connections.append(ip)
        while await peer.reader.read(4096):
            peer.writer.write(OK.replace(b"Connection: close\r\n", b""))

    name = named(monkeypatch, "kept.test", "127.0.0.1", "127.0.0.2")
    async with listening(answer, "127.0.0.1", "127.0.0.2") as port:
        asked = target(f"http://{name}:{port}/", name="kept", addresses="all", reuse=True)
        for _ in range(3):
            result = await load("http")(asked, ProbeContext(region="test"))
            assert result.ok, result.failure
            assert [each.ip for each in result.addresses] == ["127.0.0.1", "127.0.0.2"]
        transport._kept.close()
    assert sorted(connections) == ["127.0.0.1", "127.0.0.2"]
