"""What a TLS handshake showed, as steps for those who watch."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from functools import partial

from cryptography import x509

from probes.engine.exchange import Exchange, listed
from probes.engine.tls_session import chain_of

MAX_CERTIFICATES = 8
DAY = timedelta(days=1)


def note_handshake(exchange: Exchange, tls: ssl.SSLObject) -> None:
    """The session, and the chain as it was sent: also of a handshake that failed at the certificate."""
    if exchange.steps is None:
        return
    cipher, alpn = tls.cipher(), tls.selected_alpn_protocol()
    agreed = (tls.version(), cipher[0] if cipher else None, f"ALPN {alpn}" if alpn else None)
    said = ", ".join(each for each in agreed if each) or "nothing was agreed on"
    exchange.note("TLS session", f"with {tls.server_hostname}: {said}")
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
    names = f" for {listed(facts.names)}" if facts.names else ""
    return f"{facts.subject}{names}; issued by {facts.issuer}; {ending(facts.not_after)}"


def ending(not_after: datetime) -> str:
    """When a certificate ends or ended, for people."""
    left = not_after - datetime.now(UTC)
    told = f"ended {-left // DAY} days ago" if left < timedelta() else f"ends in {left // DAY} days"
    return f"{told} ({not_after:%Y-%m-%d %H:%M} UTC)"
