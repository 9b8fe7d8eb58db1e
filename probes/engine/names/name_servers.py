"""What the host's name servers say of a name: dnspython's stub resolver (search list, the next server after one that
fails, TCP after a truncated answer), over sockets of ours."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import dns.asyncresolver
import dns.exception
import dns.message
import dns.name
import dns.nameserver
import dns.rdatatype

# Imported here what dnspython imports when it first meets one: in the middle of a probe that would hold up the others.
import dns.rdtypes.ANY.CNAME
import dns.rdtypes.ANY.NS
import dns.rdtypes.ANY.SOA
import dns.rdtypes.IN.A
import dns.rdtypes.IN.AAAA
import dns.resolver

from probes.engine.datagrams import Datagrams
from probes.engine.failures import of_os_error
from probes.engine.names.host_files import HostFiles, name_servers
from probes.engine.resolve import Address
from probes.result import FailureReason

TYPES = {6: dns.rdatatype.AAAA, 4: dns.rdatatype.A}
LOOKUP_SECONDS = 10.0  # for one question, with all servers and tries
OTHER_ANSWER_SECONDS = 1.0  # how long AAAA is waited for once A has come, or A after AAAA
LEAST_TRY_SECONDS = 1.0
MAX_HOPS = 8  # aliases whose target the server did not tell along


@dataclass(frozen=True, slots=True)
class Found:
    """What came of one question: addresses and how long they are good, or why there are none."""

    ips: tuple[str, ...] = ()
    ttl_seconds: float = 0.0
    missing: str = ""
    told: bool = True  # a server said so; else none could be asked
    own_fault: bool = False  # this host could not ask


class Server(dns.nameserver.Do53Nameserver):
    """As its base, but over UDP nobody else can answer for it, and that it is not there is known at once."""

    def __init__(self, address: Address) -> None:
        super().__init__(address.ip, address.sockaddr[1])
        self._server = address

    def __str__(self) -> str:
        return str(self._server)

    async def async_query(  # noqa: PLR0917 - the signature is its base's
        self,
        request: dns.message.QueryMessage,
        timeout: float,
        source: str | None,
        source_port: int,
        max_size: bool,
        backend: Any,  # dnspython's own, which makes its TCP sockets
        one_rr_per_rrset: bool = False,
        ignore_trailing: bool = False,
    ) -> dns.message.Message:
        if max_size:
            return await super().async_query(
                request, timeout, source, source_port, max_size, backend, one_rr_per_rrset, ignore_trailing
            )
        try:
            async with asyncio.timeout(timeout):
                return await _answer_of(self._server, request)
        except TimeoutError:
            raise dns.exception.Timeout(timeout=timeout) from None  # type: ignore[no-untyped-call]


async def _answer_of(server: Address, request: dns.message.Message) -> dns.message.Message:
    """What is no answer to this question is passed over. Raises dns.message.Truncated."""
    with Datagrams(server) as datagrams:
        await datagrams.send(request.to_wire())
        while True:
            data = await datagrams.receive()
            try:
                message = dns.message.from_wire(data, raise_on_truncation=True)
            except dns.message.Truncated as truncated:
                if request.is_response(truncated.message()):  # type: ignore[no-untyped-call]
                    raise
            except dns.exception.DNSException:
                continue
            else:
                if request.is_response(message):
                    return message


class NameServers:
    """Asks the servers of /etc/resolv.conf as it is now. The one that answered last is asked first: one that is dead
    would delay each question."""

    def __init__(self, files: HostFiles, port: int) -> None:
        self._files = files
        self._port = port
        self._generation = -1
        self._resolver = dns.asyncresolver.Resolver(configure=False)

    async def both(self, name: dns.name.Name) -> dict[int, Found]:
        """By IP version, asked for at the same time. Where one is not answered while the other has brought addresses,
        that one is used: there are servers that never answer for AAAA."""
        resolver = self._current()
        asked = {version: asyncio.create_task(self._ask(resolver, name, version)) for version in TYPES}
        try:
            done, waiting = await asyncio.wait(asked.values(), return_when=asyncio.FIRST_COMPLETED)
            if waiting:
                seconds = OTHER_ANSWER_SECONDS if any(answer.result().ips for answer in done) else None
                await asyncio.wait(waiting, timeout=seconds)
            return {version: _outcome(answer) for version, answer in asked.items()}
        finally:
            for answer in asked.values():
                answer.cancel()

    def _current(self) -> dns.asyncresolver.Resolver:
        if self._generation != self._files.generation:
            self._generation = self._files.generation
            self._resolver = _configured(self._files.resolv_conf, self._port)
        return self._resolver

    async def _ask(self, resolver: dns.asyncresolver.Resolver, name: dns.name.Name, version: int) -> Found:
        try:
            answer, ttl_seconds = await _followed(resolver, name, TYPES[version])
        except dns.resolver.NXDOMAIN as error:
            responses = error.responses().values()  # type: ignore[no-untyped-call]
            ttl_seconds = min(response.resolve_chaining().minimum_ttl for response in responses)
            return Found(ttl_seconds=ttl_seconds, missing="there is no such name")
        except (dns.resolver.NoNameservers, dns.resolver.LifetimeTimeout) as error:
            return _unanswered(error.kwargs["errors"])
        except dns.exception.DNSException as error:  # too long with the search list's suffix, or aliases without end
            return Found(missing=str(error), told=False)
        _prefer(resolver, answer)
        if answer.rrset is None:
            return Found(ttl_seconds=ttl_seconds, missing=f"it has no {answer.rdtype.name} record")
        return Found(tuple(dict.fromkeys(row.address for row in answer.rrset)), ttl_seconds)


def _prefer(resolver: dns.asyncresolver.Resolver, answered: dns.resolver.Answer) -> None:
    servers = cast(list[Server], resolver.nameservers)
    servers.sort(key=lambda server: (server.address, server.port) != (answered.nameserver, answered.port))


def _outcome(answer: asyncio.Task[Found]) -> Found:
    return answer.result() if answer.done() else Found(missing="no name server answered in time", told=False)


def _unanswered(errors: Iterable[Sequence[Any]]) -> Found:
    """`errors` as dnspython gives them: the server first, what went wrong in the fourth place."""
    seen = [(str(error[0]), error[3]) for error in errors]
    faults = [of_os_error(what, server).failure for server, what in seen if isinstance(what, OSError)]
    texts = [f"{server}: {_text(what)}" for server, what in seen]
    return Found(
        missing=f"no name server has an answer: {'; '.join(dict.fromkeys(texts)) or 'none answered in time'}",
        told=False,
        own_fault=bool(seen) and [fault.reason for fault in faults] == [FailureReason.INTERNAL] * len(seen),
    )


def _text(what: object) -> str:
    if isinstance(what, OSError):
        return what.strerror or type(what).__name__
    return "no answer" if isinstance(what, dns.exception.Timeout) else str(what)


def _configured(resolv_conf: str, port: int) -> dns.asyncresolver.Resolver:
    """Search list, ndots, timeout, rotate and edns0 as dnspython reads them; of the search list what is a name."""
    resolver = dns.asyncresolver.Resolver(configure=False)
    lines = [line for line in resolv_conf.splitlines() if line.split()[:1] != ["nameserver"] and _is_read(line)]
    resolver.read_resolv_conf(io.StringIO("\n".join([*lines, "nameserver 127.0.0.1"])))
    resolver.nameservers = [Server(server.at(port)) for server in name_servers(resolv_conf)]
    resolver.timeout = max(LEAST_TRY_SECONDS, resolver.timeout)
    return resolver


def _is_read(line: str) -> bool:
    try:
        dns.asyncresolver.Resolver(configure=False).read_resolv_conf(io.StringIO(f"{line}\nnameserver 127.0.0.1"))
    except (dns.exception.DNSException, UnicodeError):
        return False
    return True


async def _followed(
    resolver: dns.asyncresolver.Resolver, name: dns.name.Name, rdtype: dns.rdatatype.RdataType
) -> tuple[dns.resolver.Answer, float]:
    """The answer and how many seconds it is good, aliases followed: a server that is no recursive one may give an alias
    without its target. Raises DNSException."""
    ends_at = time.monotonic() + LOOKUP_SECONDS
    ttls: list[int] = []
    for _ in range(MAX_HOPS):
        left_seconds = ends_at - time.monotonic()
        answer = await resolver.resolve(name, rdtype, raise_on_no_answer=False, search=True, lifetime=left_seconds)
        aliases = answer.chaining_result.cnames
        if answer.rrset is not None or not aliases:
            return answer, min([*ttls, answer.chaining_result.minimum_ttl])
        ttls += [alias.ttl for alias in aliases]
        name = answer.canonical_name
    raise TooManyAliases


class TooManyAliases(dns.exception.DNSException):
    """Each alias that the servers tell leads to another."""
