"""A real lighttpd from the Debian package that asks for digest authentication."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.process import Process, program
from tests.support.wait import free_port, listening, until

REALM = "the service"
_CONFIGURATION = """
server.bind = "127.0.0.1"
server.port = {port}
server.document-root = "{folder}/www"
server.modules = ("mod_auth", "mod_authn_file", "mod_accesslog")
accesslog.filename = "{folder}/access.log"
accesslog.format = "%s"
auth.backend = "htdigest"
auth.backend.htdigest.userfile = "{folder}/users"
auth.require = ("/" => (
  "method" => "digest", "algorithm" => "SHA-256", "realm" => "{realm}", "require" => "valid-user"
))
"""


@contextmanager
def lighttpd(folder: Path, user: str, password: str) -> Iterator[str]:
    """The address of a page that only this user may see; the status of each request is a line of `access.log`."""
    port = free_port()
    (folder / "www").mkdir()
    (folder / "www" / "index.html").write_text("ok: only for those who may\n")
    (folder / "access.log").touch()
    digest = hashlib.sha256(f"{user}:{REALM}:{password}".encode()).hexdigest()
    (folder / "users").write_text(f"{user}:{REALM}:{digest}\n")
    (folder / "lighttpd.conf").write_text(_CONFIGURATION.format(port=port, folder=folder, realm=REALM))
    with Process([program("lighttpd"), "-D", "-f", str(folder / "lighttpd.conf")], folder / "output.log") as process:
        until(lambda: listening(port), what=f"lighttpd on port {port}: {process.output()}")
        yield f"http://127.0.0.1:{port}/index.html"
