"""One TCP connection: the addresses of a name are tried in order."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import time
from contextlib import nullcontext
from typing import NamedTuple

from probes.engine.arrivals import Arrivals, ask_for_stamps, handshake_seconds
from probes.engine.exchange import Exchange, listed
from probes.engine.failures import Unanswered, of_os_error
from probes.engine.lag import loop_lag
from probes.engine.names.dns_resolver import resolver_of_host
from probes.engine.resolve import Address, Resolver, literal, same_host
from probes.engine.watch import Watch, watch
from probes.result import FailureReason, Phase

SYSTEM_RESOLVER = resolver_of_host()


# Told at once, it saves a call.
_NON_BLOCKING = getattr(socket, "SOCK_NONBLOCK", 0)


class Connected(NamedTuple):
    """A non-blocking socket, its watch, and the kernel's stamps of what it receives, if there are any."""

    sock: socket.socket
    watch: Watch
    arrivals: Arrivals | None

    def close(self) -> None:
        self.watch.close()
        self.sock.close()


async def dial(
    host: str, port: int, exchange: Exchange, *, deadline: float, resolver: Resolver = SYSTEM_RESOLVER
) -> Connected:
    """`deadline` is on the monotonic clock; it is only used to share the time out: an address that does not answer gets
    an equal share of what is left, so that the next one still has its turn.

    Raises Unanswered; when there were several addresses its detail names each of them.
    """
    addresses = await addresses_of(host, port, exchange, resolver)
    exchange.enter(Phase.CONNECT)
    refusals: list[Unanswered] = []
    for left, address in zip(range(len(addresses), 0, -1), addresses, strict=True):
        exchange.address = address.ip
        share_seconds = None if left == 1 else (deadline - time.monotonic()) / left
        exchange.note("connecting", address.__str__)
        try:
            connected = await _connect(address, share_seconds, exchange)
        except TimeoutError:
            refusals.append(Unanswered(FailureReason.TIMEOUT, f"connecting to {address}: no answer"))
        except OSError as error:
            refusals.append(of_os_error(error, f"connecting to {address}"))
        else:
            exchange.note("connected", address.__str__)
            return connected
        exchange.note("not connected", refusals[-1].failure.detail)
        exchange.user_timed = True  # nobody stamps a refusal
    raise most_telling(refusals)


async def addresses_of(
    host: str, port: int, exchange: Exchange, resolver: Resolver = SYSTEM_RESOLVER
) -> tuple[Address, ...]:
    """As the exchange wants them, in its phase `resolve`. At least one; raises Unanswered."""
    exchange.enter(Phase.RESOLVE)
    pinned = exchange.pinned
    if pinned is not None and same_host(host, pinned.host):
        return (pinned.address.at(port),)
    found = None if exchange.afresh else resolver.cached(host, port, exchange.ip)
    if found is None:
        lag, begun = loop_lag(), time.monotonic()
        found = await resolver.resolve(host, port, exchange.ip, afresh=exchange.afresh)
        exchange.held_up(lag.longest_since(begun, time.monotonic()))  # no stamp of the kernel's tells when it came
    if exchange.steps is not None and found != literal(host, port):
        exchange.note("resolved", f"{host}: {listed([address.ip for address in found])}")
    return found


async def _connect(address: Address, seconds: float | None, exchange: Exchange) -> Connected:
    sock = socket.socket(address.family, socket.SOCK_STREAM | _NON_BLOCKING)
    watched: Watch | None = None
    try:
        if not _NON_BLOCKING:
            sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        arrivals = Arrivals() if ask_for_stamps(sock) else None  # a server may speak as soon as it is connected
        before = time.monotonic()
        error = sock.connect_ex(address.sockaddr)
        watched = watch(sock)
        if error == errno.EINPROGRESS:
            async with asyncio.timeout(seconds) if seconds is not None else nullcontext():
                await watched.writable()
            error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            raise OSError(error, os.strerror(error))
        took_seconds = handshake_seconds(sock)
        exchange.user_timed |= took_seconds is None
        exchange.enter(None, None if took_seconds is None else min(before + took_seconds, time.monotonic()))
    except BaseException:
        if watched is not None:
            watched.close()
        sock.close()
        raise
    return Connected(sock, watched, arrivals)


def most_telling(refusals: list[Unanswered]) -> Unanswered:
    """A host without IPv6 finds every IPv6 address unreachable: what the others said counts for more."""
    reasons = [refusal.failure.reason for refusal in refusals]
    reason = next((reason for reason in reasons if reason is not FailureReason.UNREACHABLE), reasons[-1])
    return Unanswered(reason, "; ".join(refusal.failure.detail for refusal in refusals))
