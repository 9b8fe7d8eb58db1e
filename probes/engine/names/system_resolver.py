"""Names by the host's own library, where more than /etc/hosts and DNS counts."""

from __future__ import annotations

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from probes.engine.failures import failure, of_os_error
from probes.engine.names.address_order import source_of
from probes.engine.names.lookups import Lookups
from probes.engine.resolve import EITHER_IP, Address, Known, literal
from probes.options import IpOptions
from probes.result import FailureReason

MAX_LOOKUPS = 64


class SystemResolver:
    """getaddrinfo: all that /etc/nsswitch.conf names counts, as it does for other programs. It keeps nothing, for it
    does not learn how long an answer is good for.

    It blocks, so it runs in threads. The loop's own pool has a handful: a dead name server would fill it and make
    other targets late. This one has `MAX_LOOKUPS`, and a stuck name that many ask for holds one.
    """

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(MAX_LOOKUPS, thread_name_prefix="resolve")
        self._lookups = Lookups(self._look_up, MAX_LOOKUPS)

    def cached(self, host: str, port: int, ip: IpOptions = EITHER_IP) -> tuple[Address, ...] | None:  # noqa: ARG002
        return literal(host, port) or None

    async def resolve(
        self, host: str, port: int, ip: IpOptions = EITHER_IP, *, afresh: bool = False
    ) -> tuple[Address, ...]:
        if found := literal(host, port):
            return found
        known = await (self._lookups.alone(host) if afresh else self._lookups.shared(host))
        return known.at(port, ip)

    async def _look_up(self, host: str) -> Known:
        return await asyncio.get_running_loop().run_in_executor(self._threads, _look_up, host)


def _look_up(host: str) -> Known:
    try:
        rows = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)
        found = dict.fromkeys(Address(family, sockaddr) for family, _, _, _, sockaddr in rows)
        # In the library's own order, which /etc/gai.conf may have a say in.
        return Known(host, tuple(replace(address, routed=source_of(address) is not None) for address in found))
    except socket.gaierror as error:
        reason = FailureReason.INTERNAL if error.errno == socket.EAI_SYSTEM else FailureReason.DNS
        return Known(host, failure=failure(reason, f"cannot resolve {host!r}: {error.strerror or error}"))
    except OSError as error:
        return Known(host, failure=of_os_error(error, f"cannot resolve {host!r}").failure)
    except ValueError:  # UnicodeError, or a NUL in it
        return Known(host, failure=failure(FailureReason.DNS, f"cannot resolve {host!r}: not a valid host name"))
