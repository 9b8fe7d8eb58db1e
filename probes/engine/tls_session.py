"""TLS contexts, and what a handshake showed of the other side."""

from __future__ import annotations

import _ssl
import hashlib
import ssl
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from cryptography import x509

from probes.engine.failures import Unanswered
from probes.options import TlsOptions
from probes.result import FailureReason, TlsSession

MAX_ENDS = 4096
_ends: dict[str, datetime | None] = {}


def client_context(options: TlsOptions, alpn: tuple[str, ...] = ()) -> ssl.SSLContext:
    """A context for these options; building one takes milliseconds, so they are kept. With `ca_file` only the
    authorities in it are trusted, else the system's. A file that was changed is read anew.

    Raises Unanswered with the reason `internal` when one of the files cannot be used.
    """
    files = (options.ca_file, options.client_cert, options.client_key)
    file: Path | None = None
    changed_ns = []
    try:
        for file in files:
            changed_ns.append(file.stat().st_mtime_ns if file else 0)
    except OSError as error:
        raise Unanswered(FailureReason.INTERNAL, f"{file} of tls cannot be read: {error.strerror}") from None
    try:
        return _context(*files, tuple(changed_ns), options.verify, alpn)
    except (OSError, ssl.SSLError) as error:
        told = ", ".join(f"{name} {file}" for name, file in zip(_FILES, files, strict=True) if file)
        raise Unanswered(FailureReason.INTERNAL, f"{told} of tls cannot be used: {error}") from None


_FILES = ("ca_file", "client_cert", "client_key")


@lru_cache(maxsize=256)
def _context(
    ca_file: Path | None,
    client_cert: Path | None,
    client_key: Path | None,
    _changed_ns: tuple[int, ...],
    verify: bool,
    alpn: tuple[str, ...],
) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    if alpn:
        context.set_alpn_protocols(list(alpn))
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if client_cert:
        # Without a passphrase to try OpenSSL would ask for one on the terminal.
        context.load_cert_chain(client_cert, client_key, password="")
    return context


def session_of(tls: ssl.SSLObject, *, verified: bool) -> TlsSession | None:
    """The facts of a handshake that is done, or that failed at the certificate; None when no certificate was seen.

    `not_after` is the earliest end in the chain that was verified, its root included: that is when clients begin to
    fail. When nothing was verified it is the earliest in the chain as sent.
    """
    chain = chain_of(tls, "get_verified_chain" if verified else "get_unverified_chain")
    read = [_read(der) for der in chain]
    if not read or read[0] is None:
        return None
    name, protocol, _ = tls.cipher() or ("", "", 0)
    version = tls.version() or protocol or "unknown"
    return TlsSession(
        version=version.replace("TLSv1.", "TLS 1.").replace("TLSv1", "TLS 1.0"),
        cipher=name,
        not_after=min(certificate[0] for certificate in read if certificate is not None),
        leaf_sha256=read[0][1],
        verified=verified,
    )


def chain_of(tls: ssl.SSLObject, method: str) -> list[bytes]:
    """DER of each certificate, the leaf first. Public since Python 3.13; before, it is a call of the inner object."""
    if hasattr(tls, method):
        return list(getattr(tls, method)())
    certificates = getattr(tls._sslobj, method)() or ()  # type: ignore[attr-defined]
    return [certificate.public_bytes(_ssl.ENCODING_DER) for certificate in certificates]


def _read(der: bytes) -> tuple[datetime, str] | None:
    """(end, SHA-256 as hex) of a certificate; None when it cannot be read. Kept, as it is the same at the next probe,
    but by its hash: a server may send another one of 100 kB each time."""
    fingerprint = hashlib.sha256(der).hexdigest()
    if fingerprint not in _ends:
        if len(_ends) >= MAX_ENDS:
            _ends.clear()
        try:
            _ends[fingerprint] = x509.load_der_x509_certificate(der).not_valid_after_utc
        except ValueError:
            _ends[fingerprint] = None
    end = _ends[fingerprint]
    return None if end is None else (end, fingerprint)
