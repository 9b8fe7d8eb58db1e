"""A host of a test's own: its files in a folder, and a clock that the test moves."""

from __future__ import annotations

import os
from pathlib import Path

from probes.engine.names.dns_resolver import DnsResolver
from probes.engine.names.host_files import HostFiles


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


ONE_SERVER = "nameserver 127.0.0.1\n"


class Host:
    def __init__(self, folder: Path, *, port: int, resolv_conf: str = ONE_SERVER, hosts: str = "") -> None:
        self.folder, self.clock = folder, Clock()
        self._changes = 0
        self.write("hosts", hosts)
        self.write("resolv.conf", resolv_conf)
        self.resolver = DnsResolver(HostFiles(folder, clock=self.clock), clock=self.clock, port=port)

    def write(self, file: str, text: str) -> None:
        """Seen as changed, however coarse the file system's clock."""
        self._changes += 1
        path = self.folder / file
        path.write_text(text)
        os.utime(path, ns=(self._changes, self._changes))

    async def ips(self, name: str, *, afresh: bool = False) -> list[str]:
        return [address.ip for address in await self.resolver.resolve(name, 80, afresh=afresh)]
