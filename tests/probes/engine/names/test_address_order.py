"""The order in which a name's addresses are tried."""

from __future__ import annotations

import errno
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.engine.names.address_order import by_rfc6724, in_order, source_of
from probes.engine.resolve import Address, literal

# The examples of RFC 6724, section 10.2: destinations with their sources, the best first, as far as they need no
# rule about deprecated, home or encapsulated addresses.
EXAMPLES = [
    [("2001:db8:1::1", "2001:db8:1::2"), ("198.51.100.121", "169.254.13.78")],
    [("198.51.100.121", "198.51.100.117"), ("2001:db8:1::1", "fe80::1")],
    [("2001:db8:1::1", "2001:db8:1::2"), ("10.1.2.3", "10.1.2.4")],
    [("fe80::1", "fe80::2"), ("2001:db8:1::1", "2001:db8:1::2")],
    [("2001:db8:1::1", "2001:db8:1::2"), ("2001:db8:3ffe::1", "2001:db8:3f44::2")],
    [("2002:c633:6401::1", "2002:c633:6401::2"), ("2001:db8:1::1", "2002:c633:6401::2")],
    [("2001:db8:1::1", "2001:db8:1::2"), ("2002:c633:6401::1", "2002:c633:6401::2")],
]


@pytest.mark.parametrize("example", EXAMPLES)
def test_as_in_the_examples_of_rfc_6724(example: list[tuple[str, str]]) -> None:
    assert by_rfc6724(example) == [0, 1]
    assert by_rfc6724(example[::-1]) == [1, 0]


def test_without_a_route_comes_last() -> None:
    assert by_rfc6724([("2001:db8::1", None), ("192.0.2.1", "192.0.2.2")]) == [1, 0]


def test_ipv4_addresses_stay_in_the_order_of_the_server() -> None:
    """It rotates them to share the load; that a prefix is longer says nothing of how near an address is."""
    found = [("192.0.2.9", "192.0.2.2"), ("198.51.100.1", "192.0.2.2"), ("192.0.2.3", "192.0.2.2")]
    assert by_rfc6724(found) == [0, 1, 2]


DESTINATIONS = st.tuples(st.ip_addresses().map(str), st.none() | st.ip_addresses().map(str))


@given(st.lists(DESTINATIONS, max_size=12))
def test_every_address_has_one_place_and_those_without_a_route_are_behind(found: list[tuple[str, str | None]]) -> None:
    order = by_rfc6724(found)
    assert sorted(order) == list(range(len(found)))
    routes = [found[index][1] is not None for index in order]
    assert routes == sorted(routes, reverse=True)
    assert by_rfc6724([found[index] for index in order]) == list(range(len(found))), "what is in order stays so"


def test_the_kernel_knows_the_way_to_an_address() -> None:
    (loopback,) = literal("127.0.0.1", 80)
    assert source_of(loopback) == "127.0.0.1"
    (broadcast,) = literal("255.255.255.255", 80)
    assert source_of(broadcast) is None
    assert source_of(Address(socket.AF_INET6, ("fe80::1", 0, 0, 2**31 - 1))) is None, "there is no such interface"
    first, last = in_order([broadcast, loopback, broadcast])
    assert (first.ip, first.routed, last.ip, last.routed) == ("127.0.0.1", True, "255.255.255.255", False)


def test_a_lack_of_files_is_not_a_lack_of_a_route(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_more_files(*_: object) -> socket.socket:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(socket, "socket", no_more_files)
    with pytest.raises(OSError, match="Too many"):
        in_order(literal("127.0.0.1", 80))
