"""Names by the host's own library."""

from __future__ import annotations

import asyncio
import socket

import pytest

from probes.engine.failures import Unanswered
from probes.engine.names.system_resolver import SystemResolver
from probes.options import IpOptions
from probes.result import FailureReason


@pytest.mark.parametrize(
    ("host", "family"), [("192.0.2.1", socket.AF_INET), ("::1", socket.AF_INET6), ("2001:db8::1", socket.AF_INET6)]
)
async def test_an_address_is_itself(host: str, family: socket.AddressFamily) -> None:
    resolver = SystemResolver()
    (address,) = await resolver.resolve(host, 80)
    assert (address.family, address.ip, address.sockaddr[1]) == (family, host, 80)
    assert resolver.cached(host, 80) == (address,)


async def test_localhost_is_found_without_a_server() -> None:
    resolver = SystemResolver()
    for afresh in (False, True):
        addresses = await resolver.resolve("localhost", 80, afresh=afresh)
        assert {address.ip for address in addresses} <= {"127.0.0.1", "::1"}
        assert len(addresses) == len(set(addresses)) > 0
    assert {address.ip for address in await resolver.resolve("localhost", 80, IpOptions(prefer=4, fallback=False))} == {
        "127.0.0.1"
    }
    assert resolver.cached("localhost", 80) is None, "it does not learn how long it is good"


async def test_probes_of_one_name_share_a_lookup_and_one_that_gives_up_leaves_it_to_the_others() -> None:
    resolver = SystemResolver()
    first = asyncio.create_task(resolver.resolve("localhost", 80))
    second = asyncio.create_task(resolver.resolve("localhost", 80))
    await asyncio.sleep(0)  # both ask
    first.cancel()
    assert await second
    assert first.cancelled()


@pytest.mark.parametrize("host", ["x" * 64 + ".invalid", "a\0b", "a..b"])
async def test_a_name_that_cannot_be_one_fails_with_the_reason_dns(host: str) -> None:
    with pytest.raises(Unanswered) as raised:
        await SystemResolver().resolve(host, 80)
    assert raised.value.failure.reason is FailureReason.DNS
    assert "cannot resolve" in raised.value.failure.detail


def test_it_serves_one_loop_after_another() -> None:
    resolver = SystemResolver()
    for _ in range(2):
        assert asyncio.run(resolver.resolve("localhost", 80))
