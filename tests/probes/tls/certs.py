"""A private certificate authority that issues every kind of bad certificate."""

from __future__ import annotations

import ipaddress
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.support.process import program

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
NOW = datetime.now(UTC).replace(microsecond=0)
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Issued:
    """A certificate with its key, and who issued it (itself, when it is a root)."""

    certificate: x509.Certificate
    key: PrivateKey
    issuer: Issued | None = None

    def chain(self) -> list[x509.Certificate]:
        """As a sound server sends it: the leaf and the intermediates, without the root."""
        if self.issuer is None or self.issuer.issuer is None:
            return [self.certificate]
        return [self.certificate, *self.issuer.chain()]


def ec_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def rsa_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


def authority(
    name: str,
    issuer: Issued | None = None,
    key: PrivateKey | None = None,
    *,
    not_after: datetime = NOW + DAY * 3650,
    path_length: int | None = None,
    usage: x509.KeyUsage | None = None,
    only_under: str | None = None,
) -> Issued:
    """An authority that may sign what it likes, unless `only_under` confines it to a domain."""
    key = key or ec_key()
    builder = _builder(name, key, issuer, NOW - DAY * 365, not_after)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
    if usage is not None:
        builder = builder.add_extension(usage, critical=True)
    if only_under is not None:
        names = x509.NameConstraints(permitted_subtrees=[x509.DNSName(only_under)], excluded_subtrees=None)
        builder = builder.add_extension(names, critical=True)
    return Issued(_sign(builder, key, issuer), key, issuer)


def leaf(
    issuer: Issued | None,
    names: Sequence[str] = ("localhost",),
    *,
    key: PrivateKey | None = None,
    not_before: datetime = NOW - DAY,
    not_after: datetime = NOW + DAY * 90,
    usage: x509.ObjectIdentifier | None = ExtendedKeyUsageOID.SERVER_AUTH,
    common_name: str | None = None,
) -> Issued:
    """A server certificate; self-signed without an issuer."""
    key = key or ec_key()
    builder = _builder(common_name or (names[0] if names else "nameless"), key, issuer, not_before, not_after)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), critical=False)
    if usage is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    return Issued(_sign(builder, key, issuer), key, issuer)


def pem(*certificates: x509.Certificate) -> bytes:
    return b"".join(each.public_bytes(serialization.Encoding.PEM) for each in certificates)


def write(folder: Path, name: str, issued: Issued, sent: Sequence[x509.Certificate] | None = None) -> tuple[Path, Path]:
    """(chain file, key file) as a server wants them; `sent` instead of the sound chain."""
    chain, key = folder / f"{name}.pem", folder / f"{name}.key"
    chain.write_bytes(pem(*(issued.chain() if sent is None else sent)))
    plain = serialization.NoEncryption()
    key.write_bytes(
        issued.key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, plain)
    )
    return chain, key


def signed_with(digest: str, issuer: Issued, folder: Path) -> Issued:
    """A leaf for localhost signed with `sha1` or `md5`: only the openssl program still does that."""
    key = ec_key()
    request = x509.CertificateSigningRequestBuilder().subject_name(_name("localhost")).sign(key, hashes.SHA256())
    wanted, extensions = folder / f"{digest}.csr", folder / f"{digest}.ext"
    wanted.write_bytes(request.public_bytes(serialization.Encoding.PEM))
    extensions.write_text("subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\nauthorityKeyIdentifier=keyid\n")
    ca, ca_key = write(folder, f"{digest}-ca", issuer, [issuer.certificate])
    files = ["-in", wanted, "-CA", ca, "-CAkey", ca_key, "-extfile", extensions]
    argv = [program("openssl"), "x509", "-req", *map(str, files)]
    made = subprocess.run([*argv, f"-{digest}", "-days", "90", "-set_serial", "7"], capture_output=True, check=True)
    return Issued(x509.load_pem_x509_certificate(made.stdout), key, issuer)


def revocation(issued: Issued) -> bytes:
    """An OCSP answer (DER) of the issuer that says that the certificate is revoked, for a server to staple."""
    assert issued.issuer is not None
    issuer = issued.issuer
    builder = ocsp.OCSPResponseBuilder().add_response(
        cert=issued.certificate,
        issuer=issuer.certificate,
        algorithm=hashes.SHA1(),  # of the names, as every responder does
        cert_status=ocsp.OCSPCertStatus.REVOKED,
        this_update=NOW - DAY,
        next_update=NOW + DAY,
        revocation_time=NOW - DAY,
        revocation_reason=x509.ReasonFlags.key_compromise,
    )
    answer = builder.responder_id(ocsp.OCSPResponderEncoding.NAME, issuer.certificate).sign(issuer.key, hashes.SHA256())
    return answer.public_bytes(serialization.Encoding.DER)


def key_usage(*, sign_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=sign_certificates,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def _builder(
    name: str, key: PrivateKey, issuer: Issued | None, not_before: datetime, not_after: datetime
) -> x509.CertificateBuilder:
    subject = _name(name)
    issuer_key = (issuer.key if issuer else key).public_key()
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_before)
        .not_valid_after(not_after)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key), critical=False)
    )


def _sign(builder: x509.CertificateBuilder, key: PrivateKey, issuer: Issued | None) -> x509.Certificate:
    return builder.sign(issuer.key if issuer else key, hashes.SHA256())


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
