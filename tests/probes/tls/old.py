"""tlslite-ng servers: what no TLS library of today lets a server speak. Each runs as a process: its crypto is Python.

`python -m tests.probes.tls.old JSON` serves until it is ended.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

from tests.support.process import Process
from tests.support.wait import free_port, listening, until

SSL_3, TLS_1_0, TLS_1_2 = (3, 0), (3, 1), (3, 3)
_ROOT = Path(__file__).parents[3]


@contextmanager
def old_server(
    chain: Path,
    key: Path,
    versions: tuple[tuple[int, int], tuple[int, int]],
    ciphers: list[str],
    *,
    anonymous: bool = False,
    **more: Any,
) -> Iterator[int]:
    """A server of the least to the most of `versions` that shakes hands and hangs up.

    `anonymous`: it shows no certificate. `more` are attributes of tlslite's HandshakeSettings.
    """
    port = free_port()
    least, most = versions
    attributes = {"minVersion": least, "maxVersion": most, "cipherNames": ciphers, "minKeySize": 512, **more}
    options = {"port": port, "chain": str(chain), "key": str(key), "anonymous": anonymous, "attributes": attributes}
    # tlslite-ng imports modules that Python 3.11 warns of.
    argv = [sys.executable, "-W", "ignore", "-m", "tests.probes.tls.old", json.dumps(options)]
    environment = {**os.environ, "PYTHONPATH": str(_ROOT)}
    with Process(argv, chain.parent / f"old-{port}.log", environment) as process:
        until(lambda: not process.running() or listening(port), what="the tlslite server listens")
        assert process.running(), process.output()
        yield port


def _serve(port: int, chain: str, key: str, anonymous: bool, attributes: dict[str, Any]) -> None:
    from tlslite.api import HandshakeSettings, X509CertChain, parsePEMKey

    chosen = HandshakeSettings()
    for name, value in attributes.items():
        setattr(chosen, name, tuple(value) if name.endswith("Version") else value)
    options: dict[str, Any] = {"settings": chosen, "anon": True}
    if not anonymous:
        certificates = X509CertChain()
        certificates.parsePemList(Path(chain).read_text())
        private = parsePEMKey(Path(key).read_text(), private=True)
        options = {"settings": chosen, "certChain": certificates, "privateKey": private}
    with socket.create_server(("127.0.0.1", port), backlog=64) as listener:
        while True:
            Thread(target=_shake_hands, args=(listener.accept()[0], options), daemon=True).start()


def _shake_hands(connection: socket.socket, options: dict[str, Any]) -> None:
    from tlslite.api import TLSConnection
    from tlslite.errors import BaseTLSException

    connection.settimeout(5)
    session = TLSConnection(connection)
    try:
        session.handshakeServer(**options)
        session.close()
    except (BaseTLSException, OSError, ValueError):
        connection.close()  # refused, as most of a scan's handshakes are


if __name__ == "__main__":
    _serve(**json.loads(sys.argv[1]))
