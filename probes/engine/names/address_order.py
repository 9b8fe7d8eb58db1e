"""Which of a name's addresses is tried first: destination address selection of RFC 6724, section 6.

Its rules 3, 4 and 7 are about deprecated, home and encapsulated addresses, which a program cannot see; a policy table
of the host's own (/etc/gai.conf) is not read.
"""

from __future__ import annotations

import errno
import ipaddress
import socket
from collections.abc import Iterable, Sequence
from dataclasses import replace

from probes.engine.resolve import Address

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

ANY_PORT = 53
LOCAL, SITE, GLOBAL = 2, 5, 14  # scopes, as RFC 4291 numbers them
NO_ROUTE = {
    errno.ENETUNREACH,
    errno.EHOSTUNREACH,
    errno.EADDRNOTAVAIL,
    errno.EAFNOSUPPORT,
    errno.EINVAL,
    errno.EACCES,
    errno.EPERM,
    errno.ENETDOWN,
}
# (prefix, precedence, label) of RFC 6724, section 2.1, the longest prefix first.
POLICIES = tuple(
    (ipaddress.IPv6Network(prefix), precedence, label)
    for prefix, precedence, label in (
        ("::1/128", 50, 0),
        ("::ffff:0:0/96", 35, 4),
        ("::/96", 1, 3),
        ("2001::/32", 5, 5),
        ("2002::/16", 30, 2),
        ("3ffe::/16", 1, 12),
        ("fec0::/10", 1, 11),
        ("fc00::/7", 3, 13),
        ("::/0", 40, 1),
    )
)
LONGEST_PREFIX = 64  # the part of an IPv6 address behind it names a host, and says nothing of how near it is


def in_order(addresses: Iterable[Address]) -> tuple[Address, ...]:
    """The best first, each with whether this host has a way there. Sends nothing. Raises OSError when this process has
    no more files."""
    found = [(address, source_of(address)) for address in dict.fromkeys(addresses)]
    order = by_rfc6724([(address.ip, source) for address, source in found])
    return tuple(replace(found[index][0], routed=found[index][1] is not None) for index in order)


def by_rfc6724(found: Sequence[tuple[str, str | None]]) -> list[int]:
    """Indices of (destination, source that would be used or None without a route), the best first; where the rules make
    no difference, in the order in which they came (rule 10)."""
    return sorted(range(len(found)), key=lambda index: _rank(*found[index]))


def source_of(address: Address) -> str | None:
    """The own address from which `address` would be asked; None when there is no route. A UDP socket that is connected
    asks the kernel's routing table and sends nothing."""
    try:
        with socket.socket(address.family, socket.SOCK_DGRAM) as sock:
            sock.connect((address.ip, ANY_PORT, *address.sockaddr[2:]))
            return str(sock.getsockname()[0])
    except OSError as error:
        if error.errno in NO_ROUTE:
            return None
        raise


def _rank(destination_text: str, source_text: str | None) -> tuple[bool, bool, bool, int, int, int]:
    """Smaller is better: rules 1, 2, 5, 6, 8 and 9."""
    destination = _address(destination_text)
    precedence, label = _policy(destination)
    scope = _scope(destination)
    if source_text is None:
        return (True, False, False, -precedence, scope, 0)
    source = _address(source_text)
    return (
        False,
        scope != _scope(source),
        label != _policy(source)[1],
        -precedence,
        scope,
        -_common_prefix(destination, source) if destination.version == source.version == 6 else 0,
    )


def _address(text: str) -> IpAddress:
    address = ipaddress.ip_address(text.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _policy(address: IpAddress) -> tuple[int, int]:
    wide = address if isinstance(address, ipaddress.IPv6Address) else ipaddress.IPv6Address(f"::ffff:{address}")
    return next((precedence, label) for network, precedence, label in POLICIES if wide in network)


def _scope(address: IpAddress) -> int:
    if isinstance(address, ipaddress.IPv6Address):
        if address.is_multicast:
            return address.packed[1] & 0xF
        if address.is_site_local:
            return SITE
    return LOCAL if address.is_link_local or address.is_loopback else GLOBAL


def _common_prefix(one: IpAddress, other: IpAddress) -> int:
    return min(LONGEST_PREFIX, 128 - (int(one) ^ int(other)).bit_length())
