"""Certificates as facts: plain values of what a server sent, safe to show."""

from __future__ import annotations

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.x509 import Certificate

from probes.tls.chain import names_of
from probes.tls.facts import CertificateFacts
from probes.tls.text import name_of

UNREADABLE = "unreadable"
# The strength of the Edwards curves is that of an EC key of this many bits.
_EDWARDS_BITS = ((ed25519.Ed25519PublicKey, "Ed25519", 256), (ed448.Ed448PublicKey, "Ed448", 456))


def certificate_facts(certificate: Certificate) -> CertificateFacts:
    kind, bits, exponent = _key(certificate)
    return CertificateFacts(
        subject=name_of(certificate.subject),
        issuer=name_of(certificate.issuer),
        names=names_of(certificate),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        key=kind,
        key_bits=bits,
        rsa_exponent=exponent,
        signature_hash=signature_hash(certificate),
        self_issued=certificate.subject == certificate.issuer,
        serial=f"{certificate.serial_number:x}",
        sha256=certificate.fingerprint(hashes.SHA256()).hex(),
    )


def _key(certificate: Certificate) -> tuple[str, int | None, int | None]:
    """(kind, bits, RSA exponent)."""
    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return UNREADABLE, None, None
    if isinstance(key, rsa.RSAPublicKey):
        return "RSA", key.key_size, key.public_numbers().e
    if isinstance(key, ec.EllipticCurvePublicKey):
        return "EC", key.key_size, None
    if isinstance(key, dsa.DSAPublicKey):
        return "DSA", key.key_size, None
    for kind, name, bits in _EDWARDS_BITS:
        if isinstance(key, kind):
            return name, bits, None
    return UNREADABLE, None, None


def signature_hash(certificate: Certificate) -> str | None:
    """`sha256`; an object identifier for what the library does not know; None for a scheme without a hash."""
    try:
        algorithm = certificate.signature_hash_algorithm
    except UnsupportedAlgorithm:  # MD2 and what is older still
        return certificate.signature_algorithm_oid.dotted_string
    return None if algorithm is None else algorithm.name
