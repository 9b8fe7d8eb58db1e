"""A real forward proxy (proxy.py), in the clear or under TLS."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import trustme

from tests.support.process import Process
from tests.support.wait import free_port, listening, until


class ForwardProxy:
    def __init__(self, scheme: str, port: int, process: Process) -> None:
        self.url = f"{scheme}://localhost:{port}"
        self._process = process

    def with_user(self, pair: str) -> str:
        return self.url.replace("://", f"://{pair}@")

    def log(self) -> str:
        return self._process.output()


@contextmanager
def forward_proxy(folder: Path, *, user: str | None = None, ca: trustme.CA | None = None) -> Iterator[ForwardProxy]:
    """One that asks for `user`, as user:password, if that is given; under TLS with a certificate of `ca`."""
    port = free_port()
    argv = [sys.executable, "-m", "proxy", "--hostname", "127.0.0.1", "--port", str(port)]
    argv += ["--num-acceptors", "1", "--num-workers", "1", "--data-dir", str(folder / "data")]
    argv += ["--basic-auth", user] if user else []
    if ca is not None:
        certificate = ca.issue_cert("localhost", "127.0.0.1")
        certificate.private_key_pem.write_to_path(folder / "proxy.key")
        (folder / "proxy.pem").write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
        argv += ["--cert-file", str(folder / "proxy.pem"), "--key-file", str(folder / "proxy.key")]
    with Process(argv, folder / "proxy.log") as process:
        until(lambda: listening(port), seconds=30, what=f"the proxy on port {port}: {process.output()}")
        yield ForwardProxy("https" if ca else "http", port, process)
