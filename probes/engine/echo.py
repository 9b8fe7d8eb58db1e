"""ICMP echo: one request and its reply over a socket that needs as little permission as can be."""

from __future__ import annotations

import asyncio
import errno
import secrets
import socket
import struct
import sys
import time
from dataclasses import dataclass

from probes.engine import icmp_errors
from probes.engine.arrivals import Arrivals, ask_for_stamps
from probes.engine.failures import Unanswered, of_os_error
from probes.engine.resolve import Address
from probes.options import IcmpOptions
from probes.result import Clock, FailureReason

TOKEN_BYTES = 16
_HEADER = struct.Struct("!BBHHH")  # type, code, checksum, identifier, sequence number
_Ancillary = list[tuple[int, int, bytes]]
_ROOM_BYTES = 256  # for an IP header with options before the packet, and for ancillary data

# linux/in.h, linux/in6.h, linux/icmp.h: not in Python's socket module.
_IP_MTU_DISCOVER, _IP_RECVERR, _IP_RECVTTL, _IPV6_MTU_DISCOVER, _IPV6_RECVERR = 10, 11, 12, 23, 25
_PMTUDISC_DONT, _PMTUDISC_PROBE = 0, 3  # never say "do not fragment"; always, whatever the kernel knows of the path
_SOL_RAW, _FILTER = 255, 1


@dataclass(frozen=True, slots=True)
class _Version:
    """What differs between ICMP (RFC 792) and ICMPv6 (RFC 4443)."""

    protocol: int
    request: int
    reply: int
    level: int  # of IP options
    hops: int
    ancillary_hops: int


_VERSIONS = {
    socket.AF_INET: _Version(socket.IPPROTO_ICMP, 8, 0, socket.IPPROTO_IP, socket.IP_TTL, socket.IP_TTL),
    socket.AF_INET6: _Version(
        socket.IPPROTO_ICMPV6, 128, 129, socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, socket.IPV6_HOPLIMIT
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """`sent_at` and `came_at` are on the monotonic clock, in seconds; to send took `sending_seconds`."""

    sent_at: float
    sending_seconds: float
    came_at: float
    clock: Clock
    hop_limit: int | None


class Echo:
    """One request, ready to be sent. Raises Unanswered where it cannot be; `close` it in the end."""

    def __init__(self, address: Address, options: IcmpOptions) -> None:
        self._version = _VERSIONS[address.family]
        self._address = address
        self._sock = _open(address.family, self._version.protocol)
        # Nobody can know the token before the request is on its way: a reply that has it is to this request.
        token = secrets.token_bytes(TOKEN_BYTES)
        self._payload = (token * (options.size // TOKEN_BYTES + 1))[: options.size]
        self._identifier, self._sequence = secrets.randbits(16), secrets.randbits(16)
        self._packet = self._built()
        try:
            self._prepare(options)
            self._sock.connect(address.sockaddr)  # what others send is not for this socket
        except OSError as error:
            self._sock.close()
            raise of_os_error(error, f"reaching {address.ip}") from None

    @property
    def _raw(self) -> bool:
        return self._sock.type == socket.SOCK_RAW

    def close(self) -> None:
        self._sock.close()

    async def ask(self) -> Reply:
        """Send the request and wait for its reply, or for an ICMP error about it. The caller holds the deadline."""
        arrivals = Arrivals()
        sent_at = time.monotonic()
        try:
            self._sock.send(self._packet)
        except OSError as error:
            if error.errno == errno.EMSGSIZE:
                raise Unanswered(
                    FailureReason.INTERNAL,
                    f"a payload of {len(self._payload)} bytes does not fit into a packet of this host; "
                    "lower icmp.size, or leave out icmp.dont_fragment",
                ) from None
            raise of_os_error(error, f"asking {self._address.ip}") from None
        sending_seconds = time.monotonic() - sent_at
        while (received := self._receive()) is None:
            await self._readable()
        now, ancillary = received
        came_at = arrivals.at(ancillary, now)
        return Reply(
            sent_at=sent_at,
            sending_seconds=sending_seconds,
            came_at=now if came_at is None else came_at,
            clock=Clock.USER if came_at is None else Clock.KERNEL,
            hop_limit=self._hop_limit(ancillary),
        )

    def _receive(self) -> tuple[float, _Ancillary] | None:
        """When the reply was read and what the kernel says of it, if it is what there is to read. Raises Unanswered for
        an ICMP error about the request."""
        size = len(self._packet) + _ROOM_BYTES
        try:
            data, ancillary, _, _ = self._sock.recvmsg(size, _ROOM_BYTES)
        except OSError:  # nothing to read, or an error, perhaps of somebody else's packet: the queue tells
            icmp_errors.raise_from_queue(self._sock, size, self._is_ours)
            return None
        now = time.monotonic()
        if data[:1] and data[0] >> 4 == 4:  # the IP header, where the system hands it over; no reply begins so
            data = data[(data[0] & 0xF) * 4 :]
        if len(data) < _HEADER.size or data[0] != self._version.reply or not self._is_ours(data):
            return None
        payload = data[_HEADER.size :]
        if payload[:TOKEN_BYTES] != self._payload[:TOKEN_BYTES]:
            return None
        if payload != self._payload:
            raise Unanswered(
                FailureReason.PROTOCOL,
                f"the echo reply has {len(payload)} bytes that are not the {len(self._payload)} that were sent",
            )
        return now, ancillary

    def _is_ours(self, packet: bytes) -> bool:
        """By identifier and sequence number. Without a raw socket the kernel gives the identifier, and sorts by it."""
        if len(packet) < _HEADER.size:
            return False
        _, _, _, identifier, sequence = _HEADER.unpack_from(packet)
        return sequence == self._sequence and (not self._raw or identifier == self._identifier)

    def _hop_limit(self, ancillary: _Ancillary) -> int | None:
        wanted = (self._version.level, self._version.ancillary_hops)
        found = next((data for level, kind, data in ancillary if (level, kind) == wanted), None)
        return int.from_bytes(found[:4], sys.byteorder) if found else None

    async def _readable(self) -> None:
        """Until there may be something to read, an error too."""
        loop = asyncio.get_running_loop()
        ready: asyncio.Future[None] = loop.create_future()
        loop.add_reader(self._sock, lambda: None if ready.done() else ready.set_result(None))
        try:
            await ready
        finally:
            loop.remove_reader(self._sock)

    def _built(self) -> bytes:
        parts = (self._version.request, 0, 0, self._identifier, self._sequence)
        packet = _HEADER.pack(*parts) + self._payload
        if self._version.protocol == socket.IPPROTO_ICMPV6:  # its checksum covers addresses that only the kernel knows
            return packet
        return packet[:2] + checksum(packet).to_bytes(2, "big") + packet[4:]

    def _prepare(self, options: IcmpOptions) -> None:
        version, sock = self._version, self._sock
        sock.setblocking(False)
        ask_for_stamps(sock)
        if options.ttl is not None:
            sock.setsockopt(version.level, version.hops, options.ttl)
        if version.protocol == socket.IPPROTO_ICMPV6:
            sock.setsockopt(version.level, socket.IPV6_RECVHOPLIMIT, 1)
        if sys.platform != "linux":
            return
        discover = _PMTUDISC_PROBE if options.dont_fragment else _PMTUDISC_DONT
        if version.protocol == socket.IPPROTO_ICMPV6:
            sock.setsockopt(version.level, _IPV6_RECVERR, 1)
            sock.setsockopt(version.level, _IPV6_MTU_DISCOVER, discover)
            sock.setsockopt(version.level, socket.IPV6_DONTFRAG, options.dont_fragment)
        else:
            sock.setsockopt(version.level, _IP_RECVERR, 1)
            sock.setsockopt(version.level, _IP_RECVTTL, 1)
            sock.setsockopt(version.level, _IP_MTU_DISCOVER, discover)
        if self._raw:
            self._let_only_replies_in()

    def _let_only_replies_in(self) -> None:
        """A raw socket gets a copy of every ICMP packet of its peer. A set bit of the filter keeps a type out."""
        reply = self._version.reply
        if self._version.protocol == socket.IPPROTO_ICMPV6:
            words = [0xFFFFFFFF] * 8
            words[reply // 32] &= ~(1 << reply % 32)
            self._sock.setsockopt(socket.IPPROTO_ICMPV6, _FILTER, struct.pack("=8I", *words))
        else:
            self._sock.setsockopt(_SOL_RAW, _FILTER, struct.pack("=I", 0xFFFFFFFF & ~(1 << reply)))


def _open(family: socket.AddressFamily, protocol: int) -> socket.socket:
    """The unprivileged socket where this process' group may have one, else a raw one."""
    for kind in (socket.SOCK_DGRAM, socket.SOCK_RAW):
        try:
            return socket.socket(family, kind, protocol)
        except PermissionError:
            continue
        except OSError as error:
            if error.errno == errno.EAFNOSUPPORT:
                raise Unanswered(FailureReason.UNREACHABLE, "this host has no IPv6") from None
            if error.errno not in (errno.EPROTONOSUPPORT, errno.ESOCKTNOSUPPORT):
                raise of_os_error(error, "opening a socket for ICMP") from None
    raise Unanswered(
        FailureReason.INTERNAL,
        "this process may not send ICMP; allow its group (sysctl net.ipv4.ping_group_range='0 2147483647'), "
        "or give it CAP_NET_RAW",
    )


def checksum(data: bytes) -> int:
    """RFC 1071: the complement of the one's complement sum of 16-bit words. That sum is the number that the words make,
    modulo 65535, where only nothing but zeros gives zero."""
    if len(data) % 2:
        data += b"\0"
    number = int.from_bytes(data)
    return 0xFFFF - (number % 0xFFFF or (0xFFFF if number else 0))
