"""What is common to all resolvers: addresses, and which of them are used."""

from __future__ import annotations

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.engine.failures import Unanswered
from probes.engine.resolve import Address, Known, OneAddress, literal, same_host, usable
from probes.options import IpOptions
from probes.result import FailureReason


@pytest.mark.parametrize("host", ["localhost", "1.2.3", "::1%", "", "a\0b"])
def test_a_name_is_no_address(host: str) -> None:
    assert literal(host, 80) == ()


def test_an_address_at_another_port() -> None:
    address = Address(socket.AF_INET6, ("fe80::1", 80, 0, 2), routed=False)
    assert address.at(443) == Address(socket.AF_INET6, ("fe80::1", 443, 0, 2))
    assert not address.at(443).routed


def test_hosts_have_no_case_and_travel_in_ascii() -> None:
    assert same_host("B\u00fccher.Example", "xn--bcher-kva.example")
    assert same_host("example.test.", "Example.test")
    assert not same_host("a.example", "b.example")
    assert same_host("a..b", "a..b")


async def test_a_resolver_of_one_address() -> None:
    (address,) = literal("192.0.2.1", 0)
    assert OneAddress(address).cached("any", 80) == await OneAddress(address).resolve("other", 80) == (address.at(80),)


V4, V6 = literal("192.0.2.1", 0)[0], literal("2001:db8::1", 0)[0]
FAR6 = Address(V6.family, ("2001:db8::2", 0, 0, 0), routed=False)


@pytest.mark.parametrize(
    ("found", "prefer", "fallback", "used"),
    [
        ((V6, V4), None, True, (V6, V4)),
        ((V6, V4), 4, True, (V4, V6)),
        ((V6, V4), 4, False, (V4,)),
        ((V4, FAR6), None, True, (V4,)),
        ((V4, FAR6), 6, True, (V4,)),
        ((V4, FAR6), 6, False, (FAR6,)),
        ((FAR6,), None, True, (FAR6,)),
        ((V4,), 6, False, ()),
    ],
)
def test_which_addresses_are_used(
    found: tuple[Address, ...], prefer: int | None, fallback: bool, used: tuple[Address, ...]
) -> None:
    assert usable(found, IpOptions.model_validate({"prefer": prefer, "fallback": fallback})) == used


ADDRESSES = st.lists(
    st.builds(
        lambda ip, routed: Address(literal(ip, 0)[0].family, literal(ip, 0)[0].sockaddr, routed),
        st.ip_addresses().map(str),
        st.booleans(),
    ),
    unique_by=lambda address: address.ip,
    max_size=8,
).map(tuple)


@given(ADDRESSES, st.sampled_from([None, 4, 6]), st.booleans())
def test_no_address_is_made_up_and_none_is_lost_but_for_a_reason(
    found: tuple[Address, ...], prefer: int | None, fallback: bool
) -> None:
    used = usable(found, IpOptions.model_validate({"prefer": prefer, "fallback": fallback}))
    wanted = {4: socket.AF_INET, 6: socket.AF_INET6}.get(prefer or 0)
    assert set(used) <= set(found)
    assert len(set(used)) == len(used)
    if wanted is None or fallback:
        assert bool(used) == bool(found)
        assert all(address.routed for address in used) or not any(address.routed for address in found)
    else:
        assert all(address.family is wanted for address in used)
    if wanted is not None:
        of_others = [address.family is not wanted for address in used]
        assert of_others == sorted(of_others), "the preferred come first"
    for family in (socket.AF_INET, socket.AF_INET6):
        assert [a for a in used if a.family is family] == [a for a in found if a.family is family and a in used]


def test_why_there_is_no_address_of_the_wanted_version() -> None:
    only = IpOptions(prefer=6, fallback=False)
    for missing, why in (({6: "it has no AAAA record"}, "it has no AAAA record"), ({}, "ip.fallback is false")):
        with pytest.raises(Unanswered) as raised:
            Known("a.test", (V4,), missing=missing).at(80, only)
        assert raised.value.failure.reason is FailureReason.DNS
        assert "'a.test' has no IPv6 address" in raised.value.failure.detail
        assert why in raised.value.failure.detail


def test_choices_are_kept_and_bounded() -> None:
    known = Known("a.test", (V4, V6))
    assert known.at(80, IpOptions()) is known.at(80, IpOptions())
    for port in range(1, 200):
        assert [address.sockaddr[1] for address in known.at(port, IpOptions())] == [port, port]
