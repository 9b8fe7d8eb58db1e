"""What a scan saw of a TLS endpoint, frozen. `None` means that it was not tested, and never that all is well."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

TOO_SMALL_DH = "DH below 1024"  # so small that no client of today goes on: its size is not known


class Protocol(StrEnum):
    """Spelled as blackbox_exporter spells them; in order, the oldest first."""

    SSL_2 = "SSL 2.0"
    SSL_3 = "SSL 3.0"
    TLS_1_0 = "TLS 1.0"
    TLS_1_1 = "TLS 1.1"
    TLS_1_2 = "TLS 1.2"
    TLS_1_3 = "TLS 1.3"


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """One cipher suite that the server accepted, by its RFC name."""

    name: str
    bits: int  # of the cipher, as the rating guide counts them: 168 for 3DES, 0 for NULL
    anonymous: bool = False
    exchange: str = ""  # "DH", "ECDH" or TOO_SMALL_DH when an ephemeral key was seen
    exchange_bits: int | None = None

    @property
    def forward_secret(self) -> bool:
        return "_DHE_" in self.name or "_ECDHE_" in self.name or "_WITH_" not in self.name  # TLS 1.3 names have no WITH

    @property
    def aead(self) -> bool:
        return any(mode in self.name for mode in ("_GCM", "_CCM", "_POLY1305"))

    @property
    def cbc(self) -> bool:
        return "_CBC_" in self.name

    @property
    def rc4(self) -> bool:
        return "RC4_" in self.name

    @property
    def block64(self) -> bool:
        """A block cipher of 64-bit blocks (Sweet32)."""
        return any(cipher in self.name for cipher in ("3DES", "_DES_", "DES40", "IDEA", "RC2_"))

    @property
    def export(self) -> bool:
        return "EXPORT" in self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolFacts:
    protocol: Protocol
    offered: bool | None
    suites: tuple[Suite, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateFacts:
    subject: str
    issuer: str
    names: tuple[str, ...]  # subjectAltName: DNS names and IP addresses
    not_before: datetime
    not_after: datetime
    key: str  # "RSA", "EC", "Ed25519", ...; "unreadable" when the library refuses the key
    key_bits: int | None
    rsa_exponent: int | None
    signature_hash: str | None  # "sha256"; None for a scheme without one (Ed25519)
    self_issued: bool
    serial: str  # hex
    sha256: str  # hex fingerprint


class Path(StrEnum):
    """Whether a chain leads to the trust store, names and dates apart (they are judged on their own)."""

    TRUSTED = "trusted"
    INCOMPLETE = "incomplete"  # only with an intermediate that the server does not send
    WEAK_SIGNATURE = "weak_signature"  # leads there, but over a signature (SHA-1, MD5) that no client accepts
    SELF_SIGNED = "self_signed"
    UNKNOWN_ISSUER = "unknown_issuer"  # what was sent ends in a root that the store does not have
    ISSUER_NOT_SENT = "issuer_not_sent"  # neither sent nor in the store: an intermediate or a root, it cannot be told
    INVALID = "invalid"  # refused for another reason, such as a CA certificate that is none


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainFacts:
    """One chain that the server sends; it may send another to clients that cannot use RSA, or ECDSA."""

    certificates: tuple[CertificateFacts, ...]  # as sent, the leaf first
    path: Path
    path_detail: str = ""
    signatures: tuple[tuple[str | None, str], ...] = ()  # (hash, subject) of what is signed on the path, below its root
    name_matches: bool = True
    expired: tuple[str, ...] = ()  # subjects of the certificates of the path that are out of date
    not_yet_valid: tuple[str, ...] = ()
    legacy_symantec: bool | None = False
    revoked: bool | None = None  # by the stapled OCSP answer; None without one

    @property
    def leaf(self) -> CertificateFacts:
        return self.certificates[0]

    @property
    def trusted(self) -> bool:
        """What a client that verifies everything would accept."""
        dates = not self.expired and not self.not_yet_valid
        return self.path is Path.TRUSTED and self.name_matches and dates and not self.revoked


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A check that could not be made, and why. Never a finding."""

    check: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFacts:
    host: str
    port: int
    address: str
    server_name: str  # sent as SNI, and what the certificate must name
    scanned_at: datetime
    negotiated: tuple[Protocol, str]  # the best protocol, and the suite that the first handshake settled on
    protocols: tuple[ProtocolFacts, ...]
    chains: tuple[ChainFacts, ...]
    compression: bool | None = False
    heartbleed: bool | None = False
    ccs_injection: bool | None = False
    robot: bool | None = False
    secure_renegotiation: bool | None = True
    fallback_scsv: bool | None = True
    hsts_max_age: int | None = None  # seconds; 0 when the header is absent
    gaps: tuple[Gap, ...] = ()

    def offers(self, protocol: Protocol) -> bool | None:
        return next((entry.offered for entry in self.protocols if entry.protocol is protocol), None)

    def suites(self, *protocols: Protocol) -> tuple[Suite, ...]:
        """The suites accepted in any of `protocols` (of all of them, when none is named)."""
        return tuple(
            suite for entry in self.protocols if not protocols or entry.protocol in protocols for suite in entry.suites
        )
