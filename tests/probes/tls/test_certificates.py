"""Certificates read as facts."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, x25519
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

from probes.tls.certificates import UNREADABLE, certificate_facts
from tests.probes.tls.certs import DAY, NOW, authority, ec_key, leaf, rsa_key


def test_what_a_certificate_says() -> None:
    issued = leaf(authority("Root"), ["a.example", "192.0.2.1"], common_name="a.example", key=rsa_key())
    facts = certificate_facts(issued.certificate)
    assert (facts.subject, facts.issuer, facts.self_issued) == ("CN=a.example", "CN=Root", False)
    assert facts.names == ("a.example", "192.0.2.1")
    assert (facts.not_before, facts.not_after) == (NOW - DAY, NOW + DAY * 90)
    assert (facts.key, facts.key_bits, facts.rsa_exponent, facts.signature_hash) == ("RSA", 2048, 65537, "sha256")
    assert facts.sha256 == issued.certificate.fingerprint(hashes.SHA256()).hex()
    assert int(facts.serial, 16) == issued.certificate.serial_number


@pytest.mark.parametrize(
    ("key", "kind", "bits"),
    [
        (ec.generate_private_key(ec.SECP192R1()).public_key(), "EC", 192),
        (ed25519.Ed25519PrivateKey.generate().public_key(), "Ed25519", 256),
        (ed448.Ed448PrivateKey.generate().public_key(), "Ed448", 456),
        (dsa.generate_private_key(1024).public_key(), "DSA", 1024),
        (x25519.X25519PrivateKey.generate().public_key(), UNREADABLE, None),
    ],
)
def test_keys_of_other_kinds(key: CertificatePublicKeyTypes, kind: str, bits: int | None) -> None:
    facts = certificate_facts(_certificate_for(key))
    assert (facts.key, facts.key_bits, facts.rsa_exponent) == (kind, bits, None)


def test_a_key_that_the_library_refuses_is_unreadable() -> None:
    curve_point = ec_key().public_key()
    sound = _certificate_for(curve_point).public_bytes(serialization.Encoding.DER)
    point = curve_point.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    broken = x509.load_der_x509_certificate(sound.replace(point, point[:1] + bytes(64)))  # not on the curve
    assert certificate_facts(broken).key == UNREADABLE


def test_an_rsa_key_with_the_exponent_1() -> None:
    der = leaf(None, key=rsa_key()).certificate.public_bytes(serialization.Encoding.DER)
    facts = certificate_facts(x509.load_der_x509_certificate(_replaced(der, b"\x02\x03\x01\x00\x01", b"\x02\x01\x01")))
    assert (facts.key, facts.rsa_exponent) == ("RSA", 1)


def test_a_signature_scheme_without_a_hash() -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    signed = _builder_for(key.public_key()).sign(key, None)
    assert certificate_facts(signed).signature_hash is None


def test_a_signature_that_nobody_knows_is_named_by_its_number() -> None:
    sha256, md2 = bytes.fromhex("06092a864886f70d01010b"), bytes.fromhex("06092a864886f70d010102")
    der = leaf(authority("Root", key=rsa_key())).certificate.public_bytes(serialization.Encoding.DER)
    assert certificate_facts(x509.load_der_x509_certificate(der.replace(sha256, md2))).signature_hash == (
        "1.2.840.113549.1.1.2"
    )


def _builder_for(key: CertificatePublicKeyTypes) -> x509.CertificateBuilder:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a.example")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).serial_number(7).public_key(key)
    return builder.not_valid_before(NOW - DAY).not_valid_after(NOW + DAY)


def _certificate_for(key: CertificatePublicKeyTypes) -> x509.Certificate:
    return _builder_for(key).sign(ec_key(), hashes.SHA256())


def _replaced(der: bytes, old: bytes, new: bytes) -> bytes:
    """`der` with the element `old` replaced, and the lengths of all that holds it put right."""
    at, shorter = der.index(old), len(old) - len(new)
    out = bytearray(der)
    position = 0
    while position < at:
        # Only elements with a length of two bytes hold the key; the others are stepped over.
        long = out[position + 1] == 0x82
        length = int.from_bytes(out[position + 2 : position + 4]) if long else out[position + 1]
        head = 4 if long else 2
        if position + head + length <= at:
            position += head + length
            continue
        out[position + 2 : position + 4] = (length - shorter).to_bytes(2)
        position += head + (out[position] == 0x03)  # a bit string begins with its count of unused bits
    return bytes(out[:at]) + new + bytes(out[at + len(old) :])
