"""The JSON document of a grade: documented in docs/tls-grade.md, versioned, only ever added to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from probes.tls.endpoint import Endpoint, ScanError
from probes.tls.facts import CertificateFacts, ProtocolFacts, TlsFacts
from probes.tls.grade import Rating

VERSION = 1
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Graded:
    """One endpoint: facts with their rating, or the error that came instead."""

    endpoint: Endpoint
    outcome: tuple[TlsFacts, Rating] | ScanError

    @property
    def rating(self) -> Rating | None:
        return None if isinstance(self.outcome, ScanError) else self.outcome[1]

    def days_left(self) -> int | None:
        """Whole days until the first certificate that was sent expires; negative once it has."""
        if isinstance(self.outcome, ScanError):
            return None
        facts = self.outcome[0]
        ends = [each.not_after for chain in facts.chains for each in chain.certificates]
        return _days(min(ends), facts.scanned_at) if ends else None


def document(graded: Iterable[Graded]) -> Json:
    return {"version": VERSION, "targets": [_target(each) for each in graded]}


def _target(graded: Graded) -> Json:
    place = {"host": graded.endpoint.host, "port": graded.endpoint.port}
    if isinstance(graded.outcome, ScanError):
        return {**place, **_NOTHING, "error": graded.outcome.detail, "error_reason": graded.outcome.reason.value}
    facts, rating = graded.outcome
    return {
        **place,
        "address": facts.address,
        "grade": rating.letter,
        "grade_trust_ignored": rating.letter_trust_ignored,
        "scores": asdict(rating.scores),
        "findings": [asdict(finding) for finding in rating.findings],
        "not_tested": [asdict(gap) for gap in rating.not_tested],
        "certificates": [
            _certificate(certificate, chain_number, position, facts.scanned_at)
            for chain_number, chain in enumerate(facts.chains)
            for position, certificate in enumerate(chain.certificates)
        ],
        "protocols": [_protocol(entry) for entry in facts.protocols],
        "error": None,
        "error_reason": None,
    }


_NOTHING: Json = {
    "address": None,
    "grade": None,
    "grade_trust_ignored": None,
    "scores": None,
    "findings": [],
    "not_tested": [],
    "certificates": [],
    "protocols": [],
}


def _certificate(certificate: CertificateFacts, chain: int, position: int, now: datetime) -> Json:
    """`chain` numbers the chains that the server sends to different clients; `position` 0 is the leaf."""
    return {
        "chain": chain,
        "position": position,
        **asdict(certificate),
        "names": list(certificate.names),
        "not_before": certificate.not_before.isoformat(),
        "not_after": certificate.not_after.isoformat(),
        "days_left": _days(certificate.not_after, now),
    }


def _protocol(entry: ProtocolFacts) -> Json:
    suites = [
        {"name": suite.name, "bits": suite.bits, "forward_secret": suite.forward_secret, "aead": suite.aead}
        for suite in entry.suites
    ]
    return {"name": entry.protocol.value, "offered": entry.offered, "suites": suites}


def _days(end: datetime, now: datetime) -> int:
    return (end - now) // timedelta(days=1)
