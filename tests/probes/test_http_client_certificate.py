"""The prober's own certificate (mTLS), asked for by a real nginx."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trustme

from probes.result import FailureReason
from tests.probes.support import detail, probe, reason
from tests.support.nginx import Nginx

LOCATIONS = """
    ssl_client_certificate %(folder)s/clients.pem; ssl_verify_client %(verify)s;
    location / { return 200 "client: $ssl_client_verify\\n"; }
    location = /away { return 302 https://127.0.0.1:%(other)s/; }
"""


@dataclass(frozen=True)
class Clients:
    folder: Path
    authority: trustme.CA

    def write(self, name: str, issued: trustme.LeafCert) -> Path:
        path = self.folder / name
        path.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        issued.private_key_pem.write_to_path(self.folder / f"{name}.key")
        return path

    def tls(self, cert: Path, server: Nginx) -> dict[str, Any]:
        return {"ca_file": server.ca_file, "client_cert": cert, "client_key": Path(f"{cert}.key")}


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Clients:
    return Clients(tmp_path_factory.mktemp("clients"), trustme.CA())


def guarded(
    folder: Path, clients: Clients, *, verify: str = "on", ca: trustme.CA | None = None, other: int = 1
) -> Nginx:
    clients.authority.cert_pem.write_to_path(folder / "clients.pem")
    return Nginx(folder, ca=ca, locations=LOCATIONS % {"folder": folder, "verify": verify, "other": other})


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, clients: Clients) -> Iterator[Nginx]:
    with guarded(tmp_path_factory.mktemp("mtls"), clients) as running:
        yield running


async def test_with_its_certificate_the_prober_is_let_in(server: Nginx, clients: Clients) -> None:
    cert = clients.write("good", clients.authority.issue_cert("prober"))
    expect = {"body": {"regex": "client: SUCCESS"}}
    assert (await probe(server.https_url, tls=clients.tls(cert, server), expect=expect)).failure is None
    assert reason(await probe(server.https_url, tls={"ca_file": server.ca_file})) is FailureReason.STATUS
    stranger = clients.write("stranger", trustme.CA().issue_cert("prober"))
    assert reason(await probe(server.https_url, tls=clients.tls(stranger, server))) is FailureReason.STATUS


async def test_the_key_may_be_in_the_file_of_the_certificate(server: Nginx, clients: Clients) -> None:
    both = clients.folder / "both.pem"
    clients.authority.issue_cert("prober").private_key_and_cert_chain_pem.write_to_path(both)
    assert (await probe(server.https_url, tls={"ca_file": server.ca_file, "client_cert": both})).ok


async def test_a_renewed_certificate_is_read_anew(server: Nginx, clients: Clients) -> None:
    cert = clients.write("renewed", trustme.CA().issue_cert("prober"))
    tls = clients.tls(cert, server)
    assert reason(await probe(server.https_url, tls=tls)) is FailureReason.STATUS
    clients.write("renewed", clients.authority.issue_cert("prober"))
    assert (await probe(server.https_url, tls=tls)).ok


async def test_files_that_cannot_be_used_are_our_fault_and_named(server: Nginx, clients: Clients) -> None:
    cert = clients.write("mismatch", clients.authority.issue_cert("prober"))
    tls = clients.tls(cert, server)
    mismatch = await probe(server.https_url, tls=tls | {"client_key": clients.write("x", trustme.CA().issue_cert("x"))})
    gone = await probe(server.https_url, tls=tls | {"client_key": clients.folder / "gone.key"})
    for result, named in ((mismatch, "client_cert"), (gone, "gone.key")):
        assert reason(result) is FailureReason.INTERNAL
        assert named in detail(result)


@pytest.mark.parametrize("away", [False, True])
async def test_the_certificate_is_shown_to_the_target_s_own_origin_alone(
    tmp_path: Path, clients: Clients, away: bool
) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "server").mkdir()
    cert = clients.write("own", clients.authority.issue_cert("prober"))
    other = guarded(tmp_path / "other", clients, verify="optional")
    with other, guarded(tmp_path / "server", clients, ca=other.ca, other=other.https_port) as server:
        seen = "NONE" if away else "SUCCESS"
        url = server.https_url + ("/away" if away else "/")
        result = await probe(url, tls=clients.tls(cert, server), expect={"body": {"regex": f"client: {seen}"}})
    assert result.failure is None
