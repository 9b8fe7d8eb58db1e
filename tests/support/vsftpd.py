"""A real FTP server with TLS, from the Debian package."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import trustme

from tests.support.process import Process, program
from tests.support.wait import free_port, listening, until

CONFIGURATION = """\
listen=YES
listen_address=127.0.0.1
listen_port={port}
background=NO
run_as_launching_user=YES
anonymous_enable=YES
local_enable=NO
anon_root={folder}/root
secure_chroot_dir={folder}/root
ssl_enable=YES
allow_anon_ssl=YES
ssl_tlsv1=YES
rsa_cert_file={folder}/server.pem
rsa_private_key_file={folder}/server.key
seccomp_sandbox=NO
"""


@contextmanager
def vsftpd_server(folder: Path, certificate: trustme.LeafCert) -> Iterator[int]:
    """The port that it listens on."""
    (folder / "root").mkdir()
    port = free_port()
    (folder / "server.pem").write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
    certificate.private_key_pem.write_to_path(folder / "server.key")
    configuration = folder / "vsftpd.conf"
    configuration.write_text(CONFIGURATION.format(port=port, folder=folder))
    with Process([program("vsftpd"), str(configuration)], folder / "log") as process:
        until(lambda: listening(port) or not process.running(), what="vsftpd")
        assert process.running(), process.output()
        yield port
