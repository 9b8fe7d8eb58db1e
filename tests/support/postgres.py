"""A PostgreSQL server of the tests' own, from the Debian package: a free port, a folder of its own, no durability."""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Coroutine, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import trustme

from tests.support.process import Process, program
from tests.support.wait import free_port, until

T = TypeVar("T")

USER = "monitor"
PASSWORD = "s3cret-p%40ss"  # as it stands in a URL: p@ss
_PLAIN_PASSWORD = "s3cret-p@ss"
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "autovacuum": "off",
    "shared_buffers": "32MB",
    "max_connections": "100",
}


def run_apart(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in a loop and thread of its own: for fixtures, which must not touch the test's loop."""
    with ThreadPoolExecutor(1) as executor:
        return executor.submit(asyncio.run, work).result()


def _binary(name: str) -> str:
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    return str(found[-1]) if found else program(name)


def _user_prefix() -> tuple[list[str], int | None]:
    """The server refuses to run as root; (argv before it, uid that must own its folder)."""
    # The kernel ends the server if the test run is killed and cannot do it itself.
    with_parent = [program("setpriv"), "--pdeathsig", "INT"]
    if os.getuid() != 0:
        return with_parent, None
    names = {entry.pw_name: entry for entry in pwd.getpwall()}
    user = names.get("postgres") or names["nobody"]
    ids = [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    return [*with_parent, *ids], user.pw_uid


@dataclass(frozen=True, slots=True)
class Postgres:
    process: Process
    port: int

    def url(self, database: str) -> str:
        return f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    async def connect(self, database: str = "postgres") -> Any:
        return await asyncpg.connect(
            host="127.0.0.1", port=self.port, user=USER, password=_PLAIN_PASSWORD, database=database, ssl=False
        )

    async def execute(self, statement: str, database: str = "postgres") -> None:
        connection = await self.connect(database)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    def dump(self, database: str) -> str:
        """The schema of a database as SQL."""
        argv = [_binary("pg_dump"), "--schema-only", "--no-owner", "--dbname", self.url(database)]
        return subprocess.run(argv, check=True, capture_output=True, text=True).stdout

    def accepts(self) -> bool:
        if not self.process.running():
            raise AssertionError(f"PostgreSQL ended: {self.process.output()}")
        try:
            run_apart(self.execute("SELECT 1"))
        except (OSError, asyncpg.PostgresError):
            return False
        return True


@contextmanager
def postgres_server(certificate: trustme.LeafCert | None = None) -> Iterator[Postgres]:
    """With a certificate it takes TLS."""
    prefix, uid = _user_prefix()
    # Not below pytest's own folders: those are closed to other users, and the server may have to be one.
    home = Path(tempfile.mkdtemp(prefix="monitor-postgres-", dir="/tmp"))
    try:
        password_file = home / "password"
        password_file.write_text(_PLAIN_PASSWORD)
        if uid is not None:
            for path in (home, password_file):
                os.chown(path, uid, -1)
        data = home / "data"
        initdb = [_binary("initdb"), "-D", str(data), "-U", USER, "-E", "UTF8", "--locale=C", "-A", "scram-sha-256"]
        initdb += [f"--pwfile={password_file}", "--no-sync"]
        made = subprocess.run([*prefix, *initdb], check=False, capture_output=True, text=True, cwd="/")
        assert made.returncode == 0, made.stderr
        settings = _SETTINGS | ({} if certificate is None else _tls_settings(certificate, home, uid))
        yield from _run(prefix, data, home / "log", settings)
    finally:
        shutil.rmtree(home)


def _tls_settings(certificate: trustme.LeafCert, home: Path, uid: int | None) -> dict[str, str]:
    chain, key = home / "server.pem", home / "server.key"
    chain.write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
    key.write_bytes(certificate.private_key_pem.bytes())
    for path in (chain, key):
        path.chmod(0o600)
        if uid is not None:
            os.chown(path, uid, -1)
    return {"ssl": "on", "ssl_cert_file": str(chain), "ssl_key_file": str(key)}


def _run(prefix: list[str], data: Path, log: Path, settings: Mapping[str, str]) -> Iterator[Postgres]:
    port = free_port()
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    process = Process([*prefix, _binary("postgres"), "-D", str(data), "-p", str(port), *options], log)
    try:
        server = Postgres(process, port)
        until(server.accepts, seconds=30, what="PostgreSQL")
        yield server
    finally:
        if process.running():
            process.popen.send_signal(signal.SIGINT)  # "fast": it does not wait for clients
        process.stop()
