"""Real servers on loopback, each with the letter that the rating guide gives it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import dh

from probes.tls.endpoint import Endpoint, ScanRequest
from probes.tls.facts import Protocol, TlsFacts
from probes.tls.grade import Rating, rate
from probes.tls.workers import ScanWorkers
from tests.probes.tls.certs import DAY, NOW, Issued, authority, leaf, pem, revocation, rsa_key, signed_with, write
from tests.probes.tls.old import SSL_3, TLS_1_0, TLS_1_2, old_server
from tests.probes.tls.servers import MODERN, Nginx, openssl_server

SECONDS = 60.0
HSTS = 'add_header Strict-Transport-Security "max-age=31536000; includeSubDomains" always;'
LENIENT = MODERN.replace("ECDHE+AESGCM", "@SECLEVEL=0:ECDHE+AESGCM")  # with keys and signatures that OpenSSL forbids


@dataclass(frozen=True)
class Case:
    """`rules` are exactly those that the server breaks, beside the missing HSTS that most of them have."""

    letter: str
    rules: set[str]
    ignored: str | None = None  # the letter with trust ignored, where it differs


CASES = {
    "sound": Case("A", set()),
    "sound with hsts": Case("A+", set()),
    "two certificates": Case("A", set()),
    "by address": Case("A", set()),
    "ipv6": Case("A", set()),
    "other name": Case("A", set()),
    "self-signed": Case("T", {"self_signed"}, "A"),
    "self-signed in the store": Case("A", set()),
    "unknown authority": Case("T", {"unknown_issuer"}, "A"),
    "unknown authority, leaf alone": Case("T", {"issuer_not_sent"}, "A"),
    "public store": Case("T", {"unknown_issuer"}, "A"),
    "incomplete": Case("B", {"chain_incomplete"}),
    "expired": Case("T", {"expired"}, "A"),
    "not yet valid": Case("T", {"not_yet_valid"}, "A"),
    "wrong name": Case("M", {"name_mismatch"}, "A"),
    "expired with a wrong name": Case("T", {"expired", "name_mismatch"}, "A"),
    "revoked": Case("T", {"revoked"}, "A"),
    "sha-1": Case("T", {"sha1_signature"}, "A"),
    "md5": Case("F", {"md5_signature"}),
    "rsa 1024": Case("B", {"key_below_2048"}),
    "tls 1.2 alone": Case("A-", {"no_tls13"}),
    "tls 1.3 alone": Case("A", {"tls13_alone"}),
    "tls 1.0 and 1.1": Case("B", {"old_tls"}),
    "no tls 1.2": Case("C", {"no_tls12", "no_tls13", "old_tls", "no_aead"}),
    "cbc": Case("B", {"no_aead", "no_tls13"}),
    "static rsa": Case("B", {"no_forward_secrecy", "no_tls13"}),
    "dh 1024": Case("B", {"dh_below_2048"}),
    "dh 512": Case("F", {"dh_below_1024", "no_tls13"}),
    "client certificate wanted": Case("A", set()),
    "anonymous and null": Case("F", {"anonymous", "weak_cipher", "old_tls"}),
    "3des and rc4": Case("C", {"rc4", "rc4_modern", "block64_offered", "old_tls", "no_tls13", "no_aead"}),
    "rc4 alone": Case("F", {"rc4", "rc4_only", "no_aead", "no_tls12", "no_tls13", "old_tls"}),
    "ssl 3 alone": Case("F", {"ssl3", "ssl3_best", "poodle", "no_tls12", "no_tls13", "no_aead"}),
}


@dataclass(frozen=True)
class Bench:
    """Where each server is, and with what it is scanned."""

    requests: dict[str, ScanRequest]

    def add(self, name: str, port: int, ca_file: Path | None, host: str = "localhost", sni: str | None = None) -> None:
        self.requests[name] = ScanRequest(
            endpoint=Endpoint(host, port), server_name=sni, ca_file=str(ca_file) if ca_file else None
        )


@pytest.fixture(scope="module")
def scanned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, TlsFacts]]:
    """Every server scanned once; the tests look at what was seen."""
    folder = tmp_path_factory.mktemp("servers")
    root = authority("Test Root")
    intermediate = authority("Test Intermediate", root)
    bench = Bench({})
    with ExitStack() as stack:
        _certificates_bench(bench, folder, stack, root, intermediate)
        _protocols_bench(bench, folder, stack, root, intermediate)
        yield asyncio.run(_scan_all(bench.requests))


async def _scan_all(requests: Mapping[str, ScanRequest]) -> Mapping[str, TlsFacts]:
    async with ScanWorkers(2) as workers, asyncio.TaskGroup() as group:
        tasks = {name: group.create_task(workers.scan(request, SECONDS)) for name, request in requests.items()}
    return {name: task.result() for name, task in tasks.items()}


def _certificates_bench(bench: Bench, folder: Path, stack: ExitStack, root: Issued, intermediate: Issued) -> None:
    """One nginx whose servers differ by their certificates."""
    nginx = Nginx(folder)
    ca, bundle, own_ca = folder / "ca.pem", folder / "bundle.pem", folder / "own.pem"
    ca.write_bytes(pem(root.certificate))
    bundle.write_bytes(pem(root.certificate, intermediate.certificate))
    names = ("localhost", "*.example.test", "127.0.0.1", "::1")
    good = write(folder, "good", leaf(intermediate, names))
    both = write(folder, "rsa", leaf(intermediate, names, key=rsa_key()))
    own = leaf(None)
    own_ca.write_bytes(pem(own.certificate))
    late, early = NOW - DAY, NOW + DAY
    more_rsa = f"ssl_certificate {both[0]}; ssl_certificate_key {both[1]};"

    sound = nginx.add(*good, more="listen [::1]:{port} ssl;")
    bench.add("sound", sound, ca)
    bench.add("by address", sound, ca, host="127.0.0.1")
    bench.add("ipv6", sound, ca, host="::1")
    bench.add("other name", sound, ca, sni="www.example.test")
    bench.add("public store", sound, None)
    bench.add("sound with hsts", nginx.add(*good, MODERN + HSTS), ca)
    bench.add("two certificates", nginx.add(*good, MODERN + more_rsa), ca)
    self_signed = nginx.add(*write(folder, "self", own))
    bench.add("self-signed", self_signed, ca)
    bench.add("self-signed in the store", self_signed, own_ca)
    stranger = authority("Stranger")
    alone = leaf(stranger)
    bench.add("unknown authority, leaf alone", nginx.add(*write(folder, "stranger", alone)), ca)
    with_root = write(folder, "stranger-root", alone, [alone.certificate, stranger.certificate])
    bench.add("unknown authority", nginx.add(*with_root), ca)
    lonely = leaf(intermediate)
    bench.add("incomplete", nginx.add(*write(folder, "lonely", lonely, [lonely.certificate])), bundle)
    expired = leaf(intermediate, not_before=late - DAY, not_after=late)
    bench.add("expired", nginx.add(*write(folder, "expired", expired)), ca)
    bench.add("not yet valid", nginx.add(*write(folder, "early", leaf(intermediate, not_before=early))), ca)
    bench.add("wrong name", nginx.add(*write(folder, "wrong", leaf(intermediate, ["other.test"]))), ca)
    both_wrong = leaf(intermediate, ["other.test"], not_before=late - DAY, not_after=late)
    bench.add("expired with a wrong name", nginx.add(*write(folder, "both", both_wrong)), ca)
    revoked, staple = leaf(intermediate), folder / "revoked.der"
    staple.write_bytes(revocation(revoked))
    stapling = f"{MODERN} ssl_stapling on; ssl_stapling_file {staple};"
    bench.add("revoked", nginx.add(*write(folder, "revoked", revoked), stapling), ca)
    sha1 = write(folder, "sha1", signed_with("sha1", intermediate, folder))
    bench.add("sha-1", nginx.add(*sha1, LENIENT), ca)
    rsa_root = authority("RSA Root", key=rsa_key())
    rsa_ca = folder / "rsa-ca.pem"
    rsa_ca.write_bytes(pem(rsa_root.certificate))
    bench.add("md5", nginx.add(*write(folder, "md5", signed_with("md5", rsa_root, folder)), LENIENT), rsa_ca)
    short = write(folder, "short", leaf(intermediate, key=rsa_key(1024)))
    bench.add("rsa 1024", nginx.add(*short, LENIENT), ca)
    stack.enter_context(nginx.run())


def _protocols_bench(bench: Bench, folder: Path, stack: ExitStack, root: Issued, intermediate: Issued) -> None:
    """Servers that differ by their protocols and suites."""
    ca = folder / "ca.pem"
    nginx_folder = folder / "protocols"
    nginx_folder.mkdir()
    nginx = Nginx(nginx_folder)
    chain, key = write(folder, "protocols", leaf(intermediate, key=rsa_key()))
    parameters = folder / "dh.pem"
    parameters.write_text(DH_1024)
    directives = {
        "tls 1.2 alone": "ssl_protocols TLSv1.2; ssl_ciphers ECDHE+AESGCM;",
        "tls 1.3 alone": "ssl_protocols TLSv1.3;",
        "tls 1.0 and 1.1": "ssl_protocols TLSv1 TLSv1.1 TLSv1.2 TLSv1.3; ssl_ciphers ECDHE+AES:@SECLEVEL=0;",
        "no tls 1.2": "ssl_protocols TLSv1 TLSv1.1; ssl_ciphers ECDHE+AES:@SECLEVEL=0;",
        "cbc": "ssl_protocols TLSv1.2; ssl_ciphers ECDHE-RSA-AES256-SHA384:ECDHE-RSA-AES128-SHA256;",
        "static rsa": "ssl_protocols TLSv1.2; ssl_ciphers AES128-GCM-SHA256:AES256-GCM-SHA384;",
        "client certificate wanted": MODERN + f"ssl_verify_client on; ssl_client_certificate {ca};",
        "dh 1024": f"ssl_protocols TLSv1.2 TLSv1.3; ssl_ciphers DHE+AESGCM:@SECLEVEL=0; ssl_dhparam {parameters};",
    }
    for name, directive in directives.items():
        bench.add(name, nginx.add(chain, key, directive), ca)
    stack.enter_context(nginx.run())

    rest = folder / "rest.pem"
    rest.write_bytes(pem(intermediate.certificate))
    files = ("-cert", str(chain), "-key", str(key), "-cert_chain", str(rest))
    weak = openssl_server(folder, *files, "-cipher", "ECDHE+AESGCM:aNULL+AES256:eNULL+SHA:@SECLEVEL=0")
    bench.add("anonymous and null", stack.enter_context(weak), ca)
    old = {
        "3des and rc4": ((TLS_1_0, TLS_1_2), ["aes128", "3des", "rc4"]),
        "rc4 alone": ((TLS_1_0, TLS_1_0), ["rc4"]),
        "ssl 3 alone": ((SSL_3, SSL_3), ["aes128", "3des"]),
    }
    tiny = dh.generate_parameters(2, 512).parameter_numbers()
    exchange: dict[str, Any] = {"keyExchangeNames": ["dhe_rsa", "ecdhe_rsa"], "dhParams": [tiny.g, tiny.p]}
    small = old_server(chain, key, (TLS_1_2, TLS_1_2), ["aes128gcm"], **exchange)
    bench.add("dh 512", stack.enter_context(small), ca)
    for name, (versions, ciphers) in old.items():
        bench.add(name, stack.enter_context(old_server(chain, key, versions, ciphers)), ca)


@pytest.fixture(scope="module")
def ratings(scanned: Mapping[str, TlsFacts]) -> Mapping[str, Rating]:
    return {name: rate(facts) for name, facts in scanned.items()}


def test_what_could_not_be_tested_is_a_gap_and_no_finding(
    scanned: Mapping[str, TlsFacts], ratings: Mapping[str, Rating]
) -> None:
    """tlslite hangs up after the handshake, so there is no HTTP answer to look for HSTS in."""
    facts = scanned["ssl 3 alone"]
    assert facts.hsts_max_age is None
    assert "http_headers" in {gap.check for gap in facts.gaps}
    assert "http_headers" in {gap.check for gap in ratings["ssl 3 alone"].not_tested}
    assert "hsts_short" not in {finding.id for finding in ratings["ssl 3 alone"].findings}


def test_facts_of_a_sound_server(scanned: Mapping[str, TlsFacts]) -> None:
    facts = scanned["sound with hsts"]
    assert facts.hsts_max_age == 31_536_000
    assert facts.negotiated[0] is Protocol.TLS_1_3
    assert [entry.protocol for entry in facts.protocols if entry.offered] == [Protocol.TLS_1_2, Protocol.TLS_1_3]
    assert facts.gaps == ()
    assert [certificate.subject for certificate in facts.chains[0].certificates] == [
        "CN=localhost",
        "CN=Test Intermediate",
    ]
    leaf_facts = facts.chains[0].leaf
    assert (leaf_facts.key, leaf_facts.key_bits, leaf_facts.signature_hash) == ("EC", 256, "sha256")
    assert leaf_facts.names == ("localhost", "*.example.test", "127.0.0.1", "::1")


def test_both_certificates_of_a_server_are_seen(scanned: Mapping[str, TlsFacts]) -> None:
    assert {chain.leaf.key for chain in scanned["two certificates"].chains} == {"EC", "RSA"}


def test_the_address_that_was_scanned(scanned: Mapping[str, TlsFacts]) -> None:
    assert scanned["sound"].address == "127.0.0.1"  # nginx does not listen on ::1 there, or a client would try it first
    assert scanned["ipv6"].address == "::1"


@pytest.mark.parametrize("name", CASES)
def test_letter(ratings: Mapping[str, Rating], name: str) -> None:
    case, rating = CASES[name], ratings[name]
    broken = {finding.id for finding in rating.findings}
    assert broken - {"hsts_short"} == case.rules
    assert rating.letter == case.letter
    assert rating.letter_trust_ignored == (case.ignored or case.letter)


# RFC 2409's second Oakley group: a prime that everybody has, so nothing has to be searched for.
DH_1024 = """-----BEGIN DH PARAMETERS-----
MIGHAoGBAP//////////yQ/aoiFowjTExmKLgNwc0SkCTgiKZ8x0Agu+pjsTmyJR
Sgh5jjQE3e+VGbPNOkMbMCsKbfJfFDdP4TVtbVHCReSFtXZiXn7G9ExC6aY37WsL
/1y29Aa37e44a/taiZ+lrp8kEXxLH+ZJKGZR7OZTgf//////////AgEC
-----END DH PARAMETERS-----
"""
