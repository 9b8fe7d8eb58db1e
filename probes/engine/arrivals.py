"""When bytes came: the kernel's receive timestamps (`SO_TIMESTAMPING`), which this process's own delays cannot touch.

Source: the Linux kernel's Documentation/networking/timestamping.rst. The stamps are of the wall clock; everything here
is on the monotonic one, so a stamp is moved by the difference of the two, and is not used when one of them stepped.
"""

from __future__ import annotations

import socket
import struct
import sys
import time
from collections.abc import Sequence
from functools import cache

_SO_TIMESTAMPING = getattr(socket, "SO_TIMESTAMPING", 37)  # Python does not name it yet; 37 but on SPARC and PA-RISC
_RX_SOFTWARE, _SOFTWARE = 1 << 3, 1 << 4
_FLAGS = _RX_SOFTWARE | _SOFTWARE
_STAMP = struct.Struct("@qq")  # the first of three timespec is the one by software
_STAMPS_BYTES = 3 * _STAMP.size
ANCILLARY_BYTES = socket.CMSG_SPACE(_STAMPS_BYTES) if hasattr(socket, "CMSG_SPACE") else 0
# An earlier stamp than the bytes could have had, or a later one than now, is one of a clock that stepped.
_TOLERANCE_SECONDS = 0.001
_TCPI_RETRANSMITS = 2
_TCPI_RTT = struct.Struct("=I")
_TCPI_RTT_OFFSET = 68
_TCPI_TOTAL_RETRANS_OFFSET = 100
_TCP_INFO_BYTES = 104


@cache
def _keep_one_open() -> int | None:
    """The kernel stamps packets only while some socket on the host asks for it, and switches that on a little late:
    with this one open for ever the first packet of a new socket carries a stamp too. None where there are no stamps."""
    if sys.platform != "linux":
        return None
    keeper = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        keeper.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPING, _FLAGS)
    except OSError:
        keeper.close()
        return None
    return keeper.detach()


def ask_for_stamps(sock: socket.socket) -> bool:
    """Before it is connected. False where the platform has none."""
    if _keep_one_open() is None:
        return False
    sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPING, _FLAGS)
    return True


class Arrivals:
    """The stamps of one connection. `since` is on the monotonic clock: nothing that is asked for came before it."""

    __slots__ = ("_ahead_seconds", "_since")

    def __init__(self) -> None:
        self._since = time.monotonic()
        self._ahead_seconds = time.time() - self._since

    def at(self, ancillary: Sequence[tuple[int, int, bytes]], now: float) -> float | None:
        """When the bytes came that were just read with this ancillary data, on the monotonic clock; None when that
        cannot be told."""
        for level, kind, data in ancillary:
            if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPING and len(data) == _STAMPS_BYTES:
                seconds, nanoseconds = _STAMP.unpack_from(data)
                at: float = seconds + nanoseconds * 1e-9 - self._ahead_seconds
                stepped_seconds = time.time() - now - self._ahead_seconds
                if abs(stepped_seconds) > _TOLERANCE_SECONDS or not self._since <= at <= now + _TOLERANCE_SECONDS:
                    return None
                return min(at, now)
        return None


def handshake_seconds(sock: socket.socket) -> float | None:
    """How long the TCP handshake took by the kernel's own measure (`TCP_INFO.tcpi_rtt`), right after it ended; None
    where that cannot be told, or where a lost packet was sent again: then the wait for it is part of the truth."""
    if sys.platform != "linux":
        return None
    try:
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_BYTES)
    except OSError:
        return None
    if len(info) < _TCP_INFO_BYTES or info[_TCPI_RETRANSMITS] or any(info[_TCPI_TOTAL_RETRANS_OFFSET:]):
        return None
    microseconds: int = _TCPI_RTT.unpack_from(info, _TCPI_RTT_OFFSET)[0]
    return microseconds * 1e-6 or None
