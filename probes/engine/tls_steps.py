"""What a TLS handshake showed, as steps for those who watch."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from functools import partial

from cryptography import x509

from probes.engine.exchange import Exchange, listed
from probes.engine.tls_session import chain_of

MAX_CERTIFICATES = 8


def note_handshake(exchange: Exchange, tls: ssl.SSLObject) -> None:
    """The session, and the chain as it was sent: also of a handshake that failed at the certificate."""
    if exchange.steps is None:
        return
    cipher, protocol, _ = tls.cipher() or ("no cipher", "no version", 0)
    alpn = tls.selected_alpn_protocol()
    agreed = f"{tls.version() or protocol}, {cipher}, {f'ALPN {alpn}' if alpn else 'no ALPN'}"
    exchange.note("TLS session", f"with {tls.server_hostname}: {agreed}")
    chain = chain_of(tls, "get_unverified_chain")
    for number, der in enumerate(chain[:MAX_CERTIFICATES], start=1):
        exchange.note(f"certificate {number}", partial(_certificate, der))
    if len(chain) > MAX_CERTIFICATES:
        exchange.note("certificates", f"{len(chain) - MAX_CERTIFICATES} more were sent")


def _certificate(der: bytes) -> str:
    from probes.tls.certificates import certificate_facts

    try:
        facts = certificate_facts(x509.load_der_x509_certificate(der))
    except ValueError as error:
        return f"cannot be read: {error}"
    left = facts.not_after - datetime.now(UTC)
    ends = f"ended {-left.days} days ago" if left.days < 0 else f"ends in {left.days} days"
    names = f" for {listed(facts.names)}" if facts.names else ""
    return f"{facts.subject}{names}; issued by {facts.issuer}; {ends} ({facts.not_after:%Y-%m-%d %H:%M} UTC)"
