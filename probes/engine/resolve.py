"""Names to addresses: a phase of its own, with a seam for a cache."""

from __future__ import annotations

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

from probes.engine.failures import Unanswered
from probes.result import FailureReason

MAX_LOOKUPS = 64


@dataclass(frozen=True, slots=True)
class Address:
    """Where to connect: `sockaddr` is what `socket.connect` takes for `family`."""

    family: socket.AddressFamily
    sockaddr: tuple[Any, ...]

    @property
    def ip(self) -> str:
        return str(self.sockaddr[0])

    def __str__(self) -> str:
        return f"{self.ip} port {self.sockaddr[1]}"


class Resolver(Protocol):
    async def resolve(self, host: str, port: int) -> tuple[Address, ...]:
        """At least one address, the best first (RFC 6724). Raises Unanswered with the reason `dns`."""
        ...


@lru_cache(maxsize=16384)
def literal(host: str, port: int) -> tuple[Address, ...]:
    """The address that `host` itself is; empty when it is a name."""
    for family, rest in ((socket.AF_INET, ()), (socket.AF_INET6, (0, 0))):
        try:
            socket.inet_pton(family, host)
        except (OSError, ValueError):
            continue
        return (Address(family, (host, port, *rest)),)
    return ()


class SystemResolver:
    """The host's own name service: /etc/hosts, search domains and nsswitch count, as they do for other programs.

    It blocks, so it runs in threads. The loop's own pool has a handful: a dead name server would fill it and make
    other targets late. This one has `MAX_LOOKUPS`, and probes that ask for the same name at the same time share one
    lookup, so that one stuck name holds one thread.
    """

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(MAX_LOOKUPS, thread_name_prefix="resolve")
        self._going_on: dict[tuple[int, str, int], asyncio.Future[tuple[Address, ...]]] = {}

    async def resolve(self, host: str, port: int) -> tuple[Address, ...]:
        if found := literal(host, port):
            return found
        loop = asyncio.get_running_loop()
        key = (id(loop), host, port)
        lookup = self._going_on.get(key)
        if lookup is None:
            lookup = loop.run_in_executor(self._threads, _lookup, host, port)
            self._going_on[key] = lookup
            lookup.add_done_callback(lambda _: self._going_on.pop(key, None))
        try:
            # Shielded: a probe that runs out of time must not cancel the lookup of the others.
            return await asyncio.shield(lookup)
        except OSError as error:
            raise Unanswered(FailureReason.DNS, f"cannot resolve {host!r}: {error.strerror or error}") from None
        except UnicodeError:
            raise Unanswered(FailureReason.DNS, f"cannot resolve {host!r}: not a valid host name") from None


def _lookup(host: str, port: int) -> tuple[Address, ...]:
    rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(Address(family, sockaddr) for family, _, _, _, sockaddr in rows))
