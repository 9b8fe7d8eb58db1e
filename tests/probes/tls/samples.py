"""Facts of an endpoint without a fault, to which a test does one harm at a time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from probes.tls.facts import CertificateFacts, ChainFacts, Path, Protocol, ProtocolFacts, Suite, TlsFacts

NOW = datetime(2026, 1, 1, tzinfo=UTC)

GCM_256 = Suite(name="TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", bits=256, exchange="ECDH", exchange_bits=256)
GCM_128 = Suite(name="TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", bits=128, exchange="ECDH", exchange_bits=256)
TLS13_256 = Suite(name="TLS_AES_256_GCM_SHA384", bits=256, exchange="ECDH", exchange_bits=253)
CBC_256 = Suite(name="TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA", bits=256, exchange="ECDH", exchange_bits=256)
STATIC_RSA = Suite(name="TLS_RSA_WITH_AES_256_GCM_SHA384", bits=256)
TRIPLE_DES = Suite(name="TLS_RSA_WITH_3DES_EDE_CBC_SHA", bits=168)
RC4 = Suite(name="TLS_RSA_WITH_RC4_128_SHA", bits=128)
NULL = Suite(name="TLS_RSA_WITH_NULL_SHA", bits=0)
EXPORT = Suite(name="TLS_RSA_EXPORT_WITH_DES40_CBC_SHA", bits=40)
ANONYMOUS = Suite(
    name="TLS_DH_anon_WITH_AES_256_GCM_SHA384", bits=256, anonymous=True, exchange="DH", exchange_bits=2048
)
SSL2_DES = Suite(name="SSL_CK_DES_192_EDE3_CBC_WITH_MD5", bits=168)


def dhe(bits: int | None) -> Suite:
    return Suite(name="TLS_DHE_RSA_WITH_AES_256_GCM_SHA384", bits=256, exchange="DH", exchange_bits=bits)


def certificate(**changes: Any) -> CertificateFacts:
    sound = CertificateFacts(
        subject="CN=a.example",
        issuer="CN=Authority",
        names=("a.example",),
        not_before=NOW - timedelta(days=1),
        not_after=NOW + timedelta(days=89),
        key="RSA",
        key_bits=2048,
        rsa_exponent=65537,
        signature_hash="sha256",
        self_issued=False,
        serial="1f",
        sha256="00" * 32,
    )
    return replace(sound, **changes)


def chain(leaf: dict[str, Any] | None = None, **changes: Any) -> ChainFacts:
    sound = ChainFacts(
        certificates=(certificate(**(leaf or {})),), path=Path.TRUSTED, signatures=(("sha256", "CN=a.example"),)
    )
    return replace(sound, **changes)


def protocols(offered: dict[Protocol, tuple[Suite, ...] | None]) -> tuple[ProtocolFacts, ...]:
    """What is not named is refused; None was not tested."""
    return tuple(
        ProtocolFacts(
            protocol=each,
            offered=None if each in offered and offered[each] is None else each in offered,
            suites=offered.get(each) or (),
        )
        for each in Protocol
    )


MODERN: dict[Protocol, tuple[Suite, ...] | None] = {
    Protocol.TLS_1_2: (GCM_256, GCM_128),
    Protocol.TLS_1_3: (TLS13_256,),
}


def facts(offered: dict[Protocol, tuple[Suite, ...] | None] | None = None, **changes: Any) -> TlsFacts:
    """Graded A+ as it stands; `offered` is added to TLS 1.2 and 1.3 with sound suites, or replaces them."""
    sound = TlsFacts(
        host="a.example",
        port=443,
        address="192.0.2.1",
        server_name="a.example",
        scanned_at=NOW,
        negotiated=(Protocol.TLS_1_3, TLS13_256.name),
        protocols=protocols(MODERN | (offered or {})),
        chains=(chain(),),
        hsts_max_age=31_536_000,
    )
    return replace(sound, **changes)


def only(offered: dict[Protocol, tuple[Suite, ...] | None], **changes: Any) -> TlsFacts:
    """Facts of a server that offers just these protocols."""
    return facts(protocols=protocols(offered), **changes)
