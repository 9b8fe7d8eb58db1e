"""The HTTP probe against a real nginx, over HTTP and HTTPS."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from pydantic import SecretStr

from probes.result import FailureReason, Phase, ProbeResult
from tests.probes.support import detail, probe, reason
from tests.support.nginx import Nginx
from tests.support.wait import free_port

SECRET = "s3cret-value-of-a-header"


async def test_a_good_answer_has_its_phases_facts_and_times(nginx: Nginx) -> None:
    before = time.monotonic()
    result = await probe(nginx.http_url + "/health?token=abc", headers={"Authorization": SecretStr(SECRET)})
    assert result.failure is None
    assert [phase for phase, _ in result.phases] == [Phase.RESOLVE, Phase.CONNECT, Phase.PROCESSING, Phase.TRANSFER]
    assert all(seconds >= 0 for _, seconds in result.phases)
    assert 0 < sum(seconds for _, seconds in result.phases) <= result.duration_seconds
    assert before < result.monotonic_seconds <= time.monotonic()
    assert abs(datetime.now(UTC) - result.started_at) < timedelta(seconds=30)
    assert (result.target, result.region, result.kind, result.address) == ("t", "test", "http", "127.0.0.1")
    assert result.http is not None
    assert (result.http.status_code, result.http.version, result.http.redirects) == (200, "1.1", 0)
    assert result.http.body_bytes == result.http.content_length == len("ok: a small body of a health check\n")
    assert not result.http.body_cut
    assert result.tls is None


async def test_https_is_verified_and_shows_its_session(nginx: Nginx) -> None:
    result = await probe(nginx.https_url, tls={"ca_file": nginx.ca_file})
    assert result.failure is None
    assert Phase.TLS in dict(result.phases)
    leaf = x509.load_pem_x509_certificate((nginx.folder / "server.pem").read_bytes())
    root = x509.load_pem_x509_certificate(nginx.ca_file.read_bytes())
    assert result.tls is not None
    assert result.tls.verified
    assert result.tls.version in ("TLS 1.2", "TLS 1.3")
    assert result.tls.cipher
    assert result.tls.leaf_sha256 == leaf.fingerprint(hashes.SHA256()).hex()
    assert result.tls.not_after == min(leaf.not_valid_after_utc, root.not_valid_after_utc)


async def test_a_certificate_of_an_unknown_authority_fails_but_its_end_is_known(nginx: Nginx) -> None:
    result = await probe(nginx.https_url)
    assert reason(result) is FailureReason.CERTIFICATE
    assert result.tls is not None
    assert not result.tls.verified
    assert result.http is None


async def test_a_certificate_for_another_name_fails_unless_that_name_is_meant(nginx: Nginx) -> None:
    tls = {"ca_file": nginx.ca_file, "server_name": "other.example"}
    assert "other.example" in detail(await probe(nginx.https_url, tls=tls))
    by_address = nginx.https_url.replace("localhost", "127.0.0.1")
    assert (await probe(by_address, tls={"ca_file": nginx.ca_file, "server_name": "localhost"})).ok


async def test_without_verification_any_certificate_will_do(nginx: Nginx) -> None:
    result = await probe(nginx.https_url, tls={"verify": False})
    assert result.ok
    assert result.tls is not None
    assert not result.tls.verified


async def test_an_expired_certificate_says_so(tmp_path: Path) -> None:
    ca = trustme.CA()
    ended = datetime(2024, 3, 1, tzinfo=UTC)
    server = Nginx(tmp_path, ca=ca)
    server.use_certificate(ca.issue_cert("localhost", not_before=ended - timedelta(days=90), not_after=ended))
    with server:
        result = await probe(server.https_url, tls={"ca_file": server.ca_file})
    assert reason(result) is FailureReason.CERTIFICATE
    assert "expired" in detail(result)
    assert result.tls is not None
    assert result.tls.not_after == ended


async def test_a_renewed_authority_file_is_read_anew(nginx: Nginx, tmp_path: Path) -> None:
    ca_file = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(ca_file)
    assert reason(await probe(nginx.https_url, tls={"ca_file": ca_file})) is FailureReason.CERTIFICATE
    ca_file.write_bytes(nginx.ca_file.read_bytes())
    assert (await probe(nginx.https_url, tls={"ca_file": ca_file})).ok


@pytest.mark.parametrize("content", [None, b"not a certificate"])
async def test_an_unusable_authority_file_is_our_fault_not_the_service_s(
    nginx: Nginx, tmp_path: Path, content: bytes | None
) -> None:
    ca_file = tmp_path / "ca.pem"
    if content is not None:
        ca_file.write_bytes(content)
    result = await probe(nginx.https_url, tls={"ca_file": ca_file})
    assert reason(result) is FailureReason.INTERNAL
    assert str(ca_file) in detail(result)


async def test_plain_http_where_tls_is_expected(nginx: Nginx) -> None:
    result = await probe(nginx.http_url.replace("http:", "https:"))
    assert reason(result) is FailureReason.TLS


@pytest.mark.parametrize(
    ("path", "expect", "failure"),
    [
        ("/", {"status": (200, 404)}, None),
        ("/missing", {"status": (200, 404)}, None),
        ("/missing", {}, FailureReason.STATUS),
        ("/empty", {}, None),
        ("/broken", {}, FailureReason.STATUS),
        ("/", {"body": {"regex": "small.body"}}, None),
        ("/", {"body": {"regex": "large"}}, FailureReason.BODY),
        ("/", {"body": {"not_regex": "small"}}, FailureReason.BODY),
        ("/", {"body": {"regex": "ok", "not_regex": "error"}}, None),
        ("/json", {"json": {"status": "up", "checks.0.lag": 1}}, None),
        ("/json", {"json": {"status": "down"}}, FailureReason.JSON),
        ("/json", {"json": {"checks.1.lag": 1}}, FailureReason.JSON),
        ("/", {"json": {"status": "up"}}, FailureReason.JSON),
    ],
)
async def test_expectations(nginx: Nginx, path: str, expect: dict[str, object], failure: FailureReason | None) -> None:
    result = await probe(nginx.http_url + path, expect=expect)
    assert reason(result) is failure
    assert result.http is not None


@pytest.mark.parametrize(
    ("path", "expect", "failure"),
    [
        ("/", {"headers": {"server": "^nginx/"}, "not_headers": {"Content-Type": "json", "X-None": "."}}, None),
        ("/", {"headers": {"Server": "apache"}}, FailureReason.HEADER),
        ("/", {"headers": {"X-None": "."}}, FailureReason.HEADER),
        ("/", {"not_headers": {"Server": "nginx"}}, FailureReason.HEADER),
        ("/", {"size": {"min": 35, "max": 35}}, None),
        ("/", {"size": {"max": 34}}, FailureReason.TOO_LARGE),
        ("/", {"size": {"min": 36}}, FailureReason.BODY),
        ("/", {"http_version": ["1.1"]}, None),
        ("/", {"http_version": ["2"]}, FailureReason.VERSION),
        ("/json", {"json": {"$.checks[?@.lag > 0].status": "ok"}}, None),
        ("/json", {"json": {"checks.0.lag": {"max": 0}}}, FailureReason.JSON),
        ("/", {"tls": {"version": "1.2", "expiry": "1d"}}, None),
        ("/", {"tls": {"expiry": "1000000d"}}, FailureReason.CERTIFICATE),
    ],
)
async def test_expectations_of_all_of_the_answer(
    nginx: Nginx, path: str, expect: dict[str, object], failure: FailureReason | None
) -> None:
    result = await probe(nginx.https_url + path, tls={"ca_file": nginx.ca_file}, expect=expect)
    assert reason(result) is failure, result.failure


async def test_tls_that_is_expected_must_be_there_and_new_enough(nginx: Nginx, tmp_path: Path) -> None:
    expect = {"tls": {"version": "1.3"}}
    assert reason(await probe(nginx.http_url, expect=expect)) is FailureReason.VERSION
    with Nginx(tmp_path, locations="ssl_protocols TLSv1.2; location / { return 204; }") as server:
        old = await probe(server.https_url, tls={"ca_file": server.ca_file}, expect=expect)
    assert detail(old) == "TLS 1.2, expected TLS 1.3 or newer"


async def test_an_answer_that_is_asked_for_compressed_is_unpacked_for_what_is_expected(tmp_path: Path) -> None:
    locations = f"gzip on; gzip_min_length 1; gzip_types text/plain; root {tmp_path}; default_type text/plain;"
    (tmp_path / "long").write_text("all is well\n" * 100)
    with Nginx(tmp_path, locations=locations) as server:
        asked = {
            "headers": {"Accept-Encoding": "gzip"},
            "expect": {"body": {"regex": "is well"}, "size": {"min": 1200}},
        }
        packed, plain = await probe(server.http_url + "/long", **asked), await probe(server.http_url + "/long")
    assert packed.failure is None
    assert packed.http is not None
    assert plain.http is not None
    assert packed.http.body_bytes < 100
    assert packed.http.unpacked_bytes == plain.http.body_bytes == 1200
    assert plain.http.unpacked_bytes is None
    assert plain.http.last_modified_seconds == int((tmp_path / "long").stat().st_mtime)


async def test_a_redirect_is_followed_and_counted(nginx: Nginx) -> None:
    result = await probe(nginx.http_url + "/moved")
    assert result.ok
    assert result.http is not None
    assert (result.http.status_code, result.http.redirects) == (200, 1)


@pytest.mark.parametrize("options", [{"max_redirects": 0}, {}])
async def test_a_redirect_that_is_expected_is_the_answer(nginx: Nginx, options: dict[str, int]) -> None:
    result = await probe(nginx.http_url + "/moved", expect={"status": [301]}, **options)
    assert result.ok
    assert result.http is not None
    assert result.http.redirects == 0


async def test_redirects_come_to_an_end(nginx: Nginx) -> None:
    result = await probe(nginx.http_url + "/loop", max_redirects=3)
    assert reason(result) is FailureReason.REDIRECT
    assert "again" not in detail(result), "a query string may hold a secret"
    assert result.http is not None
    assert result.http.redirects == 3


async def test_a_redirect_to_another_protocol_is_not_followed(nginx: Nginx) -> None:
    assert reason(await probe(nginx.http_url + "/nowhere")) is FailureReason.REDIRECT


async def test_head_and_post(nginx: Nginx) -> None:
    head = await probe(nginx.http_url, method="HEAD")
    assert head.ok
    assert head.http is not None
    assert (head.http.body_bytes, head.http.content_length) == (0, 35)
    assert (await probe(nginx.http_url + "/moved", method="POST", body="a=b")).ok


async def test_a_refused_port_and_a_name_that_is_not_there() -> None:
    refused = await probe(f"http://127.0.0.1:{free_port()}/")
    assert reason(refused) is FailureReason.REFUSED
    assert [phase for phase, _ in refused.phases] == [Phase.RESOLVE, Phase.CONNECT]
    # A label may not be longer than 63 characters: this is known without asking any server.
    nowhere = await probe(f"http://{'x' * 64}.invalid/")
    assert reason(nowhere) is FailureReason.DNS
    assert nowhere.address is None


async def test_a_port_that_is_refused_on_one_address_of_a_name(nginx: Nginx) -> None:
    """`localhost` may be ::1 and 127.0.0.1; nginx listens on the second only."""
    result = await probe(nginx.http_url.replace("127.0.0.1", "localhost"))
    assert result.ok
    assert result.address == "127.0.0.1"


async def test_an_address_that_cannot_be_asked_is_our_fault() -> None:
    assert reason(await probe("http://a..b/")) is FailureReason.DNS
    assert reason(await probe("http://\u0628a\u0628/")) is FailureReason.INTERNAL, (
        "letters of two directions in a label"
    )


def test_it_runs_on_uvloop_too(nginx: Nginx) -> None:
    async def several() -> list[ProbeResult]:
        urls = [nginx.http_url, nginx.https_url, nginx.http_url + "/moved"]
        return await asyncio.gather(*(probe(url, tls={"ca_file": nginx.ca_file}) for url in urls))

    assert [result.failure for result in uvloop.run(several())] == [None] * 3
