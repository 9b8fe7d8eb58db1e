"""The `tls_grade` probe: scan a target's endpoint and rate it."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from urllib.parse import urlsplit

from probes.context import ProbeContext
from probes.result import Failure, FailureReason, GradeFacts, ProbeResult, TlsSession
from probes.target import Target
from probes.tls.endpoint import HTTPS_PORT, Endpoint, ScanError, ScanRequest, host_name
from probes.tls.facts import TlsFacts
from probes.tls.grade import Rating, rate
from probes.tls.workers import ScanWorkers

KIND = "tls_grade"
DEADLINE_SECONDS = 60.0  # of one scan: hundreds of connections, so a target's own timeout does not fit
_MAX_DETAIL = 500


async def probe(target: Target, ctx: ProbeContext) -> ProbeResult:
    """Grade `target` once. A grade below the objective is no failure here: a rule judges that."""
    started_at, start = datetime.now(UTC), time.monotonic()
    failure: Failure | None = None
    facts: TlsFacts | None = None
    try:
        async with ScanWorkers() as workers:
            facts = await workers.scan(request_of(target), DEADLINE_SECONDS)
    except ScanError as error:
        failure = Failure(error.reason, error.detail[:_MAX_DETAIL])
    end = time.monotonic()
    return ProbeResult(
        target=target.name,
        region=ctx.region,
        kind=KIND,
        started_at=started_at,
        monotonic_seconds=end,
        duration_seconds=end - start,
        failure=failure,
        late_seconds=ctx.late_seconds,
        address=facts.address if facts else None,
        tls=session_of(facts) if facts else None,
        grade=grade_facts(rate(facts)) if facts else None,
    )


def request_of(target: Target) -> ScanRequest:
    """Raises ScanError when the host of the target's address is none."""
    parts = urlsplit(target.url)
    host = host_name(parts.hostname or "")
    if host is None:
        raise ScanError(FailureReason.DNS, f"{parts.hostname!r} is not a host name")
    return ScanRequest(
        endpoint=Endpoint(host, parts.port or HTTPS_PORT),
        server_name=target.tls.server_name,
        ca_file=str(target.tls.ca_file) if target.tls.ca_file else None,
    )


def grade_facts(rating: Rating) -> GradeFacts:
    return GradeFacts(
        letter=rating.letter,
        letter_trust_ignored=rating.letter_trust_ignored,
        protocol_score=rating.scores.protocol,
        key_exchange_score=rating.scores.key_exchange,
        cipher_score=rating.scores.cipher,
        total_score=rating.scores.total,
        findings=tuple((finding.id, finding.summary) for finding in rating.findings),
    )


def session_of(facts: TlsFacts) -> TlsSession | None:
    """The first chain that was sent, with what the first handshake settled on; None without a certificate."""
    if not facts.chains:
        return None
    version, cipher = facts.negotiated
    chain = facts.chains[0]
    return TlsSession(
        version=version.value,
        cipher=cipher,
        not_after=min(certificate.not_after for certificate in chain.certificates),
        leaf_sha256=chain.leaf.sha256,
        verified=chain.trusted,
    )
