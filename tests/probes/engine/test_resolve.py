"""Names to addresses."""

from __future__ import annotations

import asyncio
import socket

import pytest

from probes.engine.failures import Unanswered
from probes.engine.resolve import SystemResolver, literal
from probes.result import FailureReason


@pytest.mark.parametrize(
    ("host", "family"), [("192.0.2.1", socket.AF_INET), ("::1", socket.AF_INET6), ("2001:db8::1", socket.AF_INET6)]
)
async def test_an_address_is_itself(host: str, family: socket.AddressFamily) -> None:
    (address,) = await SystemResolver().resolve(host, 80)
    assert (address.family, address.ip, address.sockaddr[1]) == (family, host, 80)


@pytest.mark.parametrize("host", ["localhost", "1.2.3", "::1%", "", "a\0b"])
def test_a_name_is_no_address(host: str) -> None:
    assert literal(host, 80) == ()


async def test_localhost_is_found_without_a_server() -> None:
    addresses = await SystemResolver().resolve("localhost", 80)
    assert {address.ip for address in addresses} <= {"127.0.0.1", "::1"}
    assert len(addresses) == len(set(addresses)) > 0


async def test_probes_of_one_name_share_a_lookup_and_one_that_gives_up_leaves_it_to_the_others() -> None:
    resolver = SystemResolver()
    first = asyncio.create_task(resolver.resolve("localhost", 80))
    second = asyncio.create_task(resolver.resolve("localhost", 80))
    await asyncio.sleep(0)  # both ask
    first.cancel()
    assert await second
    assert first.cancelled()


async def test_a_name_that_cannot_be_one_fails_with_the_reason_dns() -> None:
    with pytest.raises(Unanswered) as raised:
        await SystemResolver().resolve("x" * 64 + ".invalid", 80)
    assert raised.value.failure.reason is FailureReason.DNS
