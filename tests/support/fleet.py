"""A small fleet with one target of every condition, for the metrics, the page and the dashboards."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from alerts.incident import Firing, Incident, IncidentState, RunbookPin, Step, StepState
from alerts.verdict import Level
from probes.result import (
    AddressResult,
    DnsFacts,
    Failure,
    FailureReason,
    GradeFacts,
    GrpcFacts,
    HttpFacts,
    IcmpFacts,
    Phase,
    ProbeResult,
    TlsSession,
)
from probes.target import Target

REGION = "eu-west"
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

TARGETS = tuple(
    Target.model_validate(fields)
    for fields in (
        {
            "name": "shop",
            "url": "https://shop.example.com/health?token=hidden-in-the-query",
            "slo": {"availability": "99.9%", "latency": {"p99": "400ms"}},
            "tls": {"grade": "A"},
            "runbook": Path("runbooks/shop.md"),
        },
        {"name": "payments", "url": "https://payments.example.com/", "runbook": Path("runbooks/payments.md")},
        {"name": "search", "url": "http://search.example.com/", "slo": {"latency": {"p99": "100ms"}}},
        {"name": "database", "url": "tcp://db.example.com:5432"},
        {"name": "names", "url": "dns://resolver.example.com/example.com", "addresses": "all"},
        {"name": "router", "url": "icmp://router.example.com"},
        {"name": "stock", "url": "grpc://stock.example.com:50051/shop.v1.Stock"},
        {"name": "chat", "url": "wss://chat.example.com/room"},
        {"name": "silent", "url": "https://silent.example.com/"},
    )
)


def result(
    target: str,
    *,
    seconds: float = 0.12,
    fails: FailureReason | None = None,
    detail: str = "",
    monotonic: float | None = None,
    region: str = REGION,
) -> ProbeResult:
    """One result as that target's probe would give it."""
    kind = next((known.kind for known in TARGETS if known.name == target), "http")
    secure = any(known.name == target and known.url.startswith(("https", "wss")) for known in TARGETS)
    unreached = fails in {FailureReason.REFUSED, FailureReason.DNS, FailureReason.TIMEOUT}
    return ProbeResult(
        target=target,
        region=region,
        kind=kind,
        started_at=NOW,
        monotonic_seconds=time.monotonic() if monotonic is None else monotonic,
        duration_seconds=seconds,
        phases=_phases(kind, secure, seconds),
        failure=None if fails is None else Failure(fails, detail or f"it was {fails.value}"),
        address=None if fails is FailureReason.DNS else "192.0.2.10",
        addresses=_addresses(fails, seconds) if target == "names" else (),
        tls=tls() if secure and not unreached else None,
        icmp=None if unreached or kind != "icmp" else IcmpFacts(size_bytes=56, hop_limit=60),
        http=None if unreached else _http(kind),
        grpc=GrpcFacts(status_code=0, serving="SERVING") if kind == "grpc" and not unreached else None,
        dns=None if unreached or kind != "dns" else DnsFacts(rcode="NOERROR", answers=2, authority=1, additional=1),
    )


def _http(kind: str) -> HttpFacts | None:
    if kind == "websocket":
        return HttpFacts(status_code=101, version="1.1", redirects=0, body_bytes=0, content_length=-1)
    if kind == "http":
        return HttpFacts(
            status_code=200,
            version="1.1",
            redirects=0,
            body_bytes=12,
            content_length=12,
            unpacked_bytes=40,
            last_modified_seconds=1.7e9,
        )
    return None


def _addresses(fails: FailureReason | None, seconds: float) -> tuple[AddressResult, ...]:
    """The first is as the whole result, and so the slowest."""
    return (
        AddressResult(ip="192.0.2.10", ok=fails is None, reason=fails, duration_seconds=seconds),
        AddressResult(ip="2001:db8::10", ok=True, duration_seconds=seconds / 2),
    )


def tls(days: float = 20) -> TlsSession:
    return TlsSession(
        version="TLS 1.3",
        cipher="TLS_AES_256_GCM_SHA384",
        not_after=NOW + timedelta(days=days),
        leaf_sha256="ab" * 32,
        verified=True,
    )


def graded(target: str, letter: str = "B") -> ProbeResult:
    return ProbeResult(
        target=target,
        region=REGION,
        kind="tls_grade",
        started_at=NOW,
        monotonic_seconds=time.monotonic(),
        duration_seconds=4.2,
        grade=GradeFacts(
            letter=letter,
            letter_trust_ignored=letter,
            protocol_score=95,
            key_exchange_score=90,
            cipher_score=80,
            total_score=88,
            findings=(("tls10", "TLS 1.0 is offered"),),
        ),
    )


def incident(target: str = "shop", *, id: int = 7, level: Level = Level.PAGE, runbook: bool = True) -> Incident:
    """An open incident with steps in several states."""
    pin = RunbookPin(path=f"runbooks/{target}.md", title=f"{target} is down", sha256="cd" * 32)
    return Incident(
        id=id,
        target=target,
        region=REGION,
        episode=1,
        dedup_key=f"monitor:{REGION}:{target}:1",
        state=IncidentState.ACKNOWLEDGED,
        level=level,
        severity="critical",
        title=f"{target}: 3 probes in a row failed",
        route="default",
        opened_at=NOW - timedelta(minutes=12),
        acknowledged_at=NOW - timedelta(minutes=10),
        acknowledged_by="Ada",
        firing=(Firing(rule="outage", level=level, summary="3 probes in a row failed", since=NOW),),
        evidence=(("expected", "200"), ("seen", "connection refused by 192.0.2.10:443")),
        runbook=pin if runbook else None,
        steps=(
            Step(
                id="check-logs",
                title="Look at the last release",
                state=StepState.DONE,
                actor="Ada",
                changed_at=NOW - timedelta(minutes=8),
                note="4.2 went out at 11:40",
            ),
            Step(id="roll-back", title="Roll it back", state=StepState.DOING, actor="Bob", changed_at=NOW),
            Step(id="tell", title="Tell the shop's owners"),
        ),
    )


def history() -> tuple[ProbeResult, ...]:
    """Forty results of every target but `silent`: shop is down, search is slow, the rest are well."""
    results: list[ProbeResult] = []
    for i in range(40):
        down = FailureReason.REFUSED if i > 34 else FailureReason.STATUS if i == 20 else None
        results += [
            result("shop", seconds=0.001 if i > 34 else 0.08 + 0.01 * (i % 7), fails=down),
            result("payments", seconds=0.05 + 0.004 * (i * 7 % 11)),
            result("search", seconds=0.03 + 0.02 * i),
            result("database", seconds=0.004 + 0.001 * (i % 3)),
            result("names", seconds=0.02 + 0.01 * (i % 5 == 0)),
            result("router", seconds=0.002),
            result("stock", seconds=0.01 + 0.001 * (i % 4)),
            result("chat", seconds=0.03 + 0.002 * (i % 5)),
        ]
    return (*results, graded("shop"), graded("payments", "A+"))


def _phases(kind: str, secure: bool, seconds: float) -> tuple[tuple[Phase, float], ...]:
    http = ((Phase.RESOLVE, 0.05), (Phase.CONNECT, 0.15), (Phase.PROCESSING, 0.5), (Phase.TRANSFER, 0.05))
    steps = {
        "http": http,
        "grpc": http,
        "websocket": http,
        "tcp": ((Phase.RESOLVE, 0.2), (Phase.CONNECT, 0.8)),
        "dns": ((Phase.RESOLVE, 0.1), (Phase.REQUEST, 0.9)),
        "icmp": ((Phase.RESOLVE, 0.1), (Phase.SETUP, 0.1), (Phase.RTT, 0.8)),
    }[kind]
    shares = (*steps[:2], (Phase.TLS, 0.25), *steps[2:]) if secure else steps
    return tuple((phase, share * seconds) for phase, share in shares)
