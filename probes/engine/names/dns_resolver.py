"""Names by /etc/hosts and DNS, in this process's own event loop, each answer kept as long as it says it is good."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

import dns.exception
import dns.name

from probes.engine.failures import failure, of_os_error
from probes.engine.names.address_order import in_order
from probes.engine.names.cache import NameCache, kept_seconds
from probes.engine.names.host_files import (
    DNS_PORT,
    ETC,
    HOST_FILES,
    HostFiles,
    dns_suffices,
    sources_of_names,
)
from probes.engine.names.lookups import Lookups
from probes.engine.names.name_servers import Found, NameServers
from probes.engine.names.system_resolver import SystemResolver
from probes.engine.resolve import EITHER_IP, Address, Known, Resolver, literal
from probes.options import IpOptions
from probes.result import Failure, FailureReason

MAX_LOOKUPS = 512  # two sockets each
MAX_ADDRESSES = 64  # of one name
OWN_NAMES = ("_gateway", "_outbound")  # of nss-myhostname, besides the host's own
FILES_SECONDS = 60.0  # how long what a file says is kept: the way to an address may change, and the file is watched


class DnsResolver:
    """`cached` and `resolve` as the Resolver protocol has them.

    /etc/hosts comes first, then the servers of /etc/resolv.conf are asked for A and AAAA at the same time. What they
    say is kept for its TTL, within bounds, and never used after that; that a name does not exist is kept as its zone's
    SOA says, and shortly. That no server answered is not kept.
    """

    def __init__(
        self,
        files: HostFiles = HOST_FILES,
        *,
        clock: Callable[[], float] = time.monotonic,
        port: int = DNS_PORT,
    ) -> None:
        self._files = files
        self._clock = clock
        self._cache = NameCache()
        self._system = SystemResolver()
        self._servers = NameServers(files, port)
        self._lookups = Lookups(self._look_up, MAX_LOOKUPS)
        self._generation = -1

    def cached(self, host: str, port: int, ip: IpOptions = EITHER_IP) -> tuple[Address, ...] | None:
        if found := literal(host, port):
            return found
        now = self._clock()
        if now >= self._files.look_at:
            self._look_at_files()
        known = self._cache.get(host, now)
        return None if known is None else known.at(port, ip)

    async def resolve(
        self, host: str, port: int, ip: IpOptions = EITHER_IP, *, afresh: bool = False
    ) -> tuple[Address, ...]:
        found = literal(host, port) if afresh else self.cached(host, port, ip)
        if found:
            return found
        self._look_at_files()
        known = self._without_asking(host)
        if known is None and _only_the_host_knows(host):
            return await self._system.resolve(host, port, ip, afresh=afresh)
        if known is None:
            known = await (self._lookups.alone(host) if afresh else self._lookups.shared(host))
        return known.at(port, ip)

    def _look_at_files(self) -> None:
        self._files.look()
        if self._generation != self._files.generation:
            self._generation = self._files.generation
            self._cache.clear()

    def _without_asking(self, host: str) -> Known | None:
        if addresses := self._files.addresses_of(host):
            try:
                known = Known(host, in_order(addresses), until=self._clock() + FILES_SECONDS)
            except OSError as error:
                return Known(host, failure=of_os_error(error, f"cannot resolve {host!r}").failure)
            self._cache.put(known)
            return known
        if f".{host.rstrip('.').lower()}".endswith(".invalid"):  # RFC 6761, section 6.4: no server is to be asked
            return Known(host, failure=_missing(host, "there is no such name"))
        return None

    async def _look_up(self, host: str) -> Known:
        generation = self._generation
        try:
            name = dns.name.from_text(host, None)
            if not name.labels:
                raise dns.name.EmptyLabel
        except (dns.exception.DNSException, UnicodeError) as error:
            return Known(host, failure=_missing(host, f"it is not a valid host name: {error}"))
        known = self._judged(host, await self._servers.both(name))
        if known.until > self._clock() and generation == self._generation and not self._files.addresses_of(host):
            self._cache.put(known)  # the files say nothing else by now
        return known

    def _judged(self, host: str, found: dict[int, Found]) -> Known:
        addresses = [literal(ip, 0)[0] for version in (6, 4) for ip in found[version].ips[:MAX_ADDRESSES]]
        try:
            ordered = in_order(addresses)
        except OSError as error:
            return Known(host, failure=of_os_error(error, f"cannot resolve {host!r}").failure)
        missing = {version: answer.missing for version, answer in found.items() if answer.missing}
        told = all(answer.told for answer in found.values())
        ttl_seconds = min(answer.ttl_seconds for answer in found.values() if answer.ips or not ordered)
        until = self._clock() + kept_seconds(ttl_seconds, whole=told and bool(ordered))
        if ordered:
            return Known(host, ordered, until=until, missing=missing)
        if told:
            why = missing[4] if missing[4] == missing[6] else "it has neither an A nor an AAAA record"
            return Known(host, failure=_missing(host, why), until=until)
        untold = next(answer for answer in found.values() if not answer.told)
        reason = FailureReason.INTERNAL if untold.own_fault else FailureReason.DNS
        return Known(host, failure=failure(reason, f"cannot resolve {host!r}: {untold.missing}"))


def _only_the_host_knows(host: str) -> bool:
    """Its own name, and an IPv6 address with the zone in which it counts."""
    return "%" in host or host.lower() in (*OWN_NAMES, socket.gethostname().lower())


def _missing(host: str, why: str) -> Failure:
    return failure(FailureReason.DNS, f"cannot resolve {host!r}: {why}")


def resolver_of_host(nsswitch: Path = ETC / "nsswitch.conf") -> Resolver:
    """DNS by ourselves where that finds what other programs of this host find; else as the host's own library does."""
    try:
        text = nsswitch.read_text("utf-8", "replace")
    except OSError:
        text = ""
    if sys.platform == "linux" and dns_suffices(sources_of_names(text)):
        return DnsResolver()
    return SystemResolver()
