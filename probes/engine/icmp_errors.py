"""What a router or host says about a packet of ours that it did not take."""

from __future__ import annotations

import contextlib
import socket
import struct
import sys
from collections.abc import Callable, Mapping
from types import MappingProxyType

from probes.engine.failures import Unanswered
from probes.result import FailureReason

_IP_RECVERR, _IPV6_RECVERR = 11, 25  # linux/in.h, linux/in6.h
_ERROR = struct.Struct("=IBBBBII")  # sock_extended_err: errno, origin, type, code, padding, info, data
_BY_ICMP, _BY_ICMPV6 = 2, 3  # origins; others are of this host's own, and `send` tells them
_MAX_ANCILLARY_BYTES = 512

_TEXTS: Mapping[tuple[int, int, int], str] = MappingProxyType(
    {
        # RFC 792 and RFC 1812 section 5.2.7.
        (_BY_ICMP, 3, 0): "the network is unreachable",
        (_BY_ICMP, 3, 1): "the host is unreachable",
        (_BY_ICMP, 3, 2): "the host knows no ICMP",
        (_BY_ICMP, 3, 3): "the port is unreachable",
        (_BY_ICMP, 3, 4): "the packet is too large for the path and may not be fragmented",
        (_BY_ICMP, 3, 9): "the network is administratively prohibited",
        (_BY_ICMP, 3, 10): "the host is administratively prohibited",
        (_BY_ICMP, 3, 13): "communication is administratively prohibited",
        (_BY_ICMP, 11, 0): "the TTL was used up on the way",
        (_BY_ICMP, 11, 1): "the fragments did not come together in time",
        # RFC 4443 section 3.
        (_BY_ICMPV6, 1, 0): "there is no route",
        (_BY_ICMPV6, 1, 1): "communication is administratively prohibited",
        (_BY_ICMPV6, 1, 3): "the address is unreachable",
        (_BY_ICMPV6, 1, 4): "the port is unreachable",
        (_BY_ICMPV6, 1, 5): "the source address is refused by policy",
        (_BY_ICMPV6, 1, 6): "the route is set to reject",
        (_BY_ICMPV6, 2, 0): "the packet is too large for the path",
        (_BY_ICMPV6, 3, 0): "the hop limit was used up on the way",
        (_BY_ICMPV6, 3, 1): "the fragments did not come together in time",
    }
)


def raise_from_queue(sock: socket.socket, size: int, is_ours: Callable[[bytes], bool]) -> None:
    """Raises Unanswered with the reason `unreachable` for the first error in the socket's queue that is about a packet
    of ours; empties it of others: a raw socket is told of every packet to its peer."""
    if sys.platform != "linux":
        return
    with contextlib.suppress(BlockingIOError):  # the queue is empty
        while True:
            packet, ancillary, _, _ = sock.recvmsg(size, _MAX_ANCILLARY_BYTES, socket.MSG_ERRQUEUE)
            for level, kind, data in ancillary:
                if (level, kind) not in ((socket.IPPROTO_IP, _IP_RECVERR), (socket.IPPROTO_IPV6, _IPV6_RECVERR)):
                    continue
                text = _text(data)
                if text is not None and is_ours(packet):
                    raise Unanswered(FailureReason.UNREACHABLE, text)


def _text(data: bytes) -> str | None:
    """Who says what; None for an error that no ICMP packet brought."""
    _, origin, kind, code, _, info, _ = _ERROR.unpack_from(data)
    if origin not in (_BY_ICMP, _BY_ICMPV6):
        return None
    said = _TEXTS.get((origin, kind, code), f"ICMP type {kind} code {code}")
    mtu = f" (MTU {info})" if (origin, kind, code) in ((_BY_ICMP, 3, 4), (_BY_ICMPV6, 2, 0)) else ""
    return f"{_offender(data[_ERROR.size :])} says: {said}{mtu}"


def _offender(sockaddr: bytes) -> str:
    family = int.from_bytes(sockaddr[:2], sys.byteorder)
    if family == socket.AF_INET:
        return socket.inet_ntop(family, sockaddr[4:8])
    return socket.inet_ntop(family, sockaddr[8:24]) if family == socket.AF_INET6 else "somebody"
