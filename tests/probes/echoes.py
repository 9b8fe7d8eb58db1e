"""A program for a network of its own: probes targets given as JSON at the same time, prints their results pickled.

    python -m tests.probes.echoes '[{"url": "icmp://127.0.0.1", ...}, ...]' [--until URL | --forge HOW]

With --until it first waits until that address replies; with --forge whoever pings this host gets a forged answer.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import pickle
import socket
import struct
import sys
import threading
from collections.abc import Callable

import uvloop

from probes.engine.echo import checksum
from probes.result import ProbeResult
from tests.probes.support import probe, probe_target, target
from tests.support.wait import auntil


def _packet(kind: int, code: int, rest: bytes) -> bytes:
    packet = struct.pack("!BBH", kind, code, 0) + rest
    return packet[:2] + checksum(packet).to_bytes(2, "big") + packet[4:]


def _reply(rest: bytes) -> bytes:
    return _packet(0, 0, rest)


def _unreachable(ip_packet: bytes) -> bytes:
    return _packet(3, 1, bytes(4) + ip_packet)


Forge = Callable[[bytes, bytes], bytes]
"""(the IP packet of the request, what follows its ICMP checksum) to an ICMP packet."""

FORGERIES: dict[str, Forge] = {
    "honest": lambda _, rest: _reply(rest),
    "other token": lambda _, rest: _reply(rest[:4] + bytes(len(rest) - 4)),
    "other sequence": lambda _, rest: _reply(rest[:2] + bytes([rest[2] ^ 1]) + rest[3:]),
    "other identifier": lambda _, rest: _reply(bytes([rest[0] ^ 1]) + rest[1:]),
    "cut": lambda _, rest: _reply(rest[:24]),
    "changed": lambda _, rest: _reply(rest[:-1] + b"\0"),
    "too short": lambda _, rest: _reply(rest[:1]),
    "unreachable": lambda ip, _: _unreachable(ip),
    "another's unreachable": lambda ip, _: _unreachable(ip[:24] + bytes([ip[24] ^ 1]) + ip[25:]),
}


def _forge(how: str, sock: socket.socket) -> None:
    while True:
        packet, sender = sock.recvfrom(65536)
        if packet[20] == 8:
            sock.sendto(FORGERIES[how](packet, packet[24:]), sender)


async def main(arguments: argparse.Namespace) -> None:
    targets = [target(**fields) for fields in json.loads(arguments.targets)]
    if arguments.forge:
        sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        threading.Thread(target=_forge, args=(arguments.forge, sock), daemon=True).start()
    if arguments.until:

        async def replies() -> ProbeResult | None:
            result = await probe(arguments.until, timeout="200ms")
            return result if result.ok else None

        await auntil(replies, what=f"a reply of {arguments.until}")
    results = await asyncio.gather(*(probe_target(each) for each in targets))
    sys.stdout.buffer.write(pickle.dumps(results))
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("targets")
    parser.add_argument("--until")
    parser.add_argument("--forge")
    uvloop.run(main(parser.parse_args()))
