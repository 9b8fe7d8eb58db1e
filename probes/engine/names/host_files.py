"""What the host itself says of names: /etc/hosts, /etc/resolv.conf and /etc/nsswitch.conf."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable
from pathlib import Path

from probes.engine.resolve import Address, literal

ETC = Path("/etc")
LOOK_EVERY_SECONDS = 1.0
DNS_PORT = 53
LOCALHOST = ("::1", "127.0.0.1")
# Sources of names that DNS and /etc/hosts stand in for: nss-resolve asks the servers that /etc/resolv.conf names, and
# for the host's own names, which myhostname knows, its library is asked.
KNOWN_SOURCES = {"files", "dns", "resolve", "myhostname"}
_ACTION = re.compile(r"\[[^\]]*\]")

Stat = tuple[int, int, int]


class HostFiles:
    """/etc/hosts and /etc/resolv.conf as they are now. `generation` counts how often one of them was found changed."""

    def __init__(self, folder: Path = ETC, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: dict[Path, Stat | None] = {}
        self._hosts_file, self._resolv_file = folder / "hosts", folder / "resolv.conf"
        self.generation = 0
        self.look_at = 0.0  # when it is time to look again, on the clock
        self.hosts: dict[str, tuple[Address, ...]] = {}
        self.resolv_conf = ""

    def look(self) -> None:
        """Read anew what has changed, but look not more often than once a second."""
        now = self._clock()
        if now < self.look_at and self._seen:
            return
        self.look_at = now + LOOK_EVERY_SECONDS
        hosts_changed, resolv_changed = self._changed(self._hosts_file), self._changed(self._resolv_file)
        if hosts_changed:
            self.hosts = parse_hosts(_read(self._hosts_file))
        if resolv_changed:
            self.resolv_conf = _read(self._resolv_file)
        self.generation += hosts_changed or resolv_changed

    def addresses_of(self, host: str) -> tuple[Address, ...]:
        """With port 0; empty when the host's files do not know the name."""
        name = host.rstrip(".").lower()
        found = self.hosts.get(name)
        if found is None and (name == "localhost" or name.endswith(".localhost")):  # RFC 6761, section 6.3
            found = tuple(address for ip in LOCALHOST for address in literal(ip, 0))
        return found or ()

    def _changed(self, file: Path) -> bool:
        try:
            now = file.stat()
            stat = (now.st_mtime_ns, now.st_size, now.st_ino)
        except OSError:
            stat = None
        before = self._seen.get(file, ())
        self._seen[file] = stat
        return stat != before


HOST_FILES = HostFiles()


def _read(file: Path) -> str:
    """Empty for a file that is not there: so the host's own library takes it."""
    try:
        return file.read_text("utf-8", "replace")
    except OSError:
        return ""


def parse_hosts(text: str) -> dict[str, tuple[Address, ...]]:
    """Addresses, with port 0, of each name in small letters. A line that cannot be read is passed over."""
    found: dict[str, tuple[Address, ...]] = {}
    for line in text.splitlines():
        ip, *names = line.partition("#")[0].split() or [""]
        address = literal(ip, 0)
        for name in {name.rstrip(".").lower() for name in names} if address else ():
            found[name] = found.get(name, ()) + address
    return found


def name_servers(resolv_conf: str) -> tuple[Address, ...]:
    """Those of /etc/resolv.conf, in its order; without any the one on this host, as resolv.conf(5) has it."""
    found: list[Address] = []
    for line in resolv_conf.splitlines():
        words = line.split()
        if len(words) > 1 and words[0] == "nameserver":
            found += _server(words[1])
    return tuple(dict.fromkeys(found)) or literal("127.0.0.1", DNS_PORT)


def _server(text: str) -> tuple[Address, ...]:
    ip, _, zone = text.partition("%")
    if not zone:
        return literal(ip, DNS_PORT)
    try:
        scope = int(zone) if zone.isdecimal() else socket.if_nametoindex(zone)
    except OSError:
        return ()
    return tuple(
        Address(address.family, (ip, DNS_PORT, 0, scope))
        for address in literal(ip, DNS_PORT)
        if address.family is socket.AF_INET6
    )


def sources_of_names(nsswitch: str) -> tuple[str, ...]:
    """Those of the line `hosts:` of /etc/nsswitch.conf, in its order; without one those that the C library takes."""
    for line in nsswitch.splitlines():
        database, _, sources = line.partition("#")[0].partition(":")
        if database.strip() == "hosts":
            return tuple(_ACTION.sub(" ", sources).split())
    return ("files", "dns")


def dns_suffices(sources: tuple[str, ...]) -> bool:
    """Whether /etc/hosts and then DNS find what the host's own library would find."""
    if not KNOWN_SOURCES.issuperset(sources) or not {"dns", "resolve"} & set(sources):
        return False
    if "files" in sources and "dns" in sources:
        return sources.index("files") < sources.index("dns")
    return "files" in sources or "resolve" in sources
