"""Names to addresses: a phase of its own, behind one seam."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Protocol

import dns.exception
import dns.name

from probes.engine.failures import Unanswered
from probes.options import IpOptions
from probes.result import Failure, FailureReason

EITHER_IP = IpOptions()
FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
MAX_CHOICES = 32


@dataclass(frozen=True, slots=True)
class Address:
    """Where to connect: `sockaddr` is what `socket.connect` takes for `family`."""

    family: socket.AddressFamily
    sockaddr: tuple[Any, ...]
    routed: bool = field(default=True, compare=False)  # whether this host has a way there

    @property
    def ip(self) -> str:
        return str(self.sockaddr[0])

    def at(self, port: int) -> Address:
        return replace(self, sockaddr=(self.sockaddr[0], port, *self.sockaddr[2:]))

    def __str__(self) -> str:
        return f"{self.ip} port {self.sockaddr[1]}"


@dataclass(frozen=True, slots=True)
class Pinned:
    """Of a target's host only this address is to be used, with whatever port. `host` as `same_host` compares it."""

    host: str
    address: Address


def same_host(one: str, other: str) -> bool:
    """Names have no case, and travel in their ASCII form."""
    return _ascii(one) == _ascii(other)


@lru_cache(maxsize=4096)
def _ascii(host: str) -> str:
    try:
        return dns.name.from_text(host).to_text().lower()
    except (dns.exception.DNSException, UnicodeError):
        return host


class Resolver(Protocol):
    """Both give at least one address, the best first, as `usable` chooses them. Both raise Unanswered, with the reason
    `dns` when the name has none, and `internal` when this host could not find out."""

    def cached(self, host: str, port: int, ip: IpOptions = EITHER_IP) -> tuple[Address, ...] | None:
        """What is known without asking anybody, within some microseconds; None when it has to be asked for."""
        ...

    async def resolve(
        self, host: str, port: int, ip: IpOptions = EITHER_IP, *, afresh: bool = False
    ) -> tuple[Address, ...]:
        """`afresh`: asked for now and for this caller alone, whatever is known."""
        ...


@dataclass(frozen=True, slots=True)
class OneAddress:
    """A resolver for which every name is one address."""

    address: Address

    def cached(self, host: str, port: int, ip: IpOptions = EITHER_IP) -> tuple[Address, ...] | None:  # noqa: ARG002
        return (self.address.at(port),)

    async def resolve(
        self,
        host: str,  # noqa: ARG002
        port: int,
        ip: IpOptions = EITHER_IP,  # noqa: ARG002
        *,
        afresh: bool = False,  # noqa: ARG002
    ) -> tuple[Address, ...]:
        return (self.address.at(port),)


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


class Known:
    """What was found out of a name: its addresses, the best first, or why it has none."""

    __slots__ = ("_choices", "_missing", "addresses", "failure", "host", "until")

    def __init__(
        self,
        host: str,
        addresses: tuple[Address, ...] = (),
        *,
        until: float = 0.0,
        failure: Failure | None = None,
        missing: dict[int, str] | None = None,
    ) -> None:
        self.host = host
        self.addresses = addresses
        self.until = until  # on the monotonic clock; from then on it has to be asked for again
        self.failure = failure
        self._missing = missing or {}  # by IP version: why there is no address of it
        self._choices: dict[tuple[int, int | None, bool], tuple[Address, ...]] = {}

    def at(self, port: int, ip: IpOptions) -> tuple[Address, ...]:
        """Those to connect to. Raises Unanswered when there is none."""
        key = (port, ip.prefer, ip.fallback)
        found = self._choices.get(key)
        if found is None:
            found = self._choose(port, ip)
            if len(self._choices) >= MAX_CHOICES:  # a server names the port that it redirects to
                self._choices.clear()
            self._choices[key] = found
        return found

    def _choose(self, port: int, ip: IpOptions) -> tuple[Address, ...]:
        if self.failure is not None:
            raise Unanswered(self.failure.reason, self.failure.detail)
        found = usable(self.addresses, ip)
        if not found:
            missing = self._missing.get(ip.prefer or 0)
            why = f" ({missing})" if missing else ""
            raise Unanswered(
                FailureReason.DNS, f"{self.host!r} has no IPv{ip.prefer} address{why}, and ip.fallback is false"
            )
        return tuple(address.at(port) for address in found)


def usable(addresses: tuple[Address, ...], ip: IpOptions) -> tuple[Address, ...]:
    """Those of the preferred family first, or alone; those that this host has no way to only where there are no others,
    for then that is what is to be told. Of each family in the order in which they came."""
    if ip.prefer is not None:
        wanted = FAMILIES[ip.prefer]
        preferred = tuple(address for address in addresses if address.family is wanted)
        others = tuple(address for address in addresses if address.family is not wanted)
        addresses = preferred + others if ip.fallback else preferred
    return tuple(address for address in addresses if address.routed) or addresses
