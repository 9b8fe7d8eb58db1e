"""The TLS probe: a handshake that verifies, or does not and is told all the same."""

from __future__ import annotations

from pathlib import Path

import trustme

from probes.result import FailureReason, Phase
from tests.probes.support import detail, probe, reason
from tests.support.nginx import Nginx
from tests.support.speaker import Speaker, begin_tls, hang, hear, repeat


async def test_a_handshake_that_verifies(nginx: Nginx) -> None:
    result = await probe(f"tls://localhost:{nginx.https_port}", tls={"ca_file": nginx.ca_file})
    assert result.failure is None
    assert result.kind == "tls"
    assert [phase for phase, _ in result.phases] == [Phase.RESOLVE, Phase.CONNECT, Phase.TLS]
    assert result.tls is not None
    assert result.tls.version in ("TLS 1.2", "TLS 1.3")  # nginx's own default
    assert result.tls.verified


async def test_a_certificate_that_does_not_verify_is_told(nginx: Nginx) -> None:
    for options, said in (
        ({}, "unable to get local issuer certificate"),
        ({"ca_file": nginx.ca_file, "server_name": "other.example"}, "mismatch"),
    ):
        result = await probe(f"tls://127.0.0.1:{nginx.https_port}", tls=options)
        assert reason(result) is FailureReason.CERTIFICATE
        assert said in detail(result)
        assert result.tls is not None
        assert not result.tls.verified


async def test_the_session_is_held_to_what_is_expected(nginx: Nginx) -> None:
    for expect, failure in (
        ({"version": "1.2", "expiry": "1d"}, None),
        ({"expiry": "1000000d"}, FailureReason.CERTIFICATE),
    ):
        result = await probe(
            f"tls://localhost:{nginx.https_port}", tls={"ca_file": nginx.ca_file}, expect={"tls": expect}
        )
        assert reason(result) is failure


async def test_without_verification_the_session_says_so(nginx: Nginx) -> None:
    result = await probe(f"tls://127.0.0.1:{nginx.https_port}", tls={"verify": False})
    assert result.failure is None
    assert result.tls is not None
    assert not result.tls.verified


async def test_a_server_that_talks_no_tls(nginx: Nginx) -> None:
    assert reason(await probe(f"tls://127.0.0.1:{nginx.http_port}")) is FailureReason.TLS
    with Speaker([repeat(b"hello\r\n" * 1000)]) as server:
        assert reason(await probe(f"tls://127.0.0.1:{server.port}")) is FailureReason.TLS
    with Speaker([hang]) as server:
        result = await probe(f"tls://127.0.0.1:{server.port}", timeout="300ms")
    assert reason(result) is FailureReason.TIMEOUT
    assert "the TLS handshake to end" in detail(result)


async def test_a_dialogue_inside(tmp_path: Path) -> None:
    ca = trustme.CA()
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    with Speaker([begin_tls, b"+OK POP3 ready\r\n", hear, b"+OK bye\r\n"], ca.issue_cert("127.0.0.1")) as server:
        result = await probe(
            f"tls://127.0.0.1:{server.port}",
            tls={"ca_file": tmp_path / "ca.pem"},
            dialogue=[{"expect": r"^\+OK", "send": "QUIT\r"}, {"expect": r"^\+OK bye"}],
        )
    assert result.failure is None
    assert server.heard == [b"QUIT\r\n"]
    phases = [Phase.RESOLVE, Phase.CONNECT, Phase.TLS, Phase.PROCESSING, Phase.TRANSFER]
    assert [phase for phase, _ in result.phases] == phases
