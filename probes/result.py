"""The one thing that leaves this room: what a probe saw, frozen and typed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Phase(StrEnum):
    """A part of a probe's time, named as blackbox_exporter names it."""

    RESOLVE = "resolve"
    CONNECT = "connect"
    TLS = "tls"
    PROCESSING = "processing"
    TRANSFER = "transfer"
    REQUEST = "request"  # dns only: question sent to answer read
    SETUP = "setup"  # icmp only: the socket made and the packet built
    RTT = "rtt"  # icmp only: echo sent to reply received


class Clock(StrEnum):
    """What told when the answer's first byte came (phase `processing`, or `rtt`)."""

    KERNEL = "kernel"  # the kernel's receive timestamp: free of the prober's own delays
    USER = "user"  # when this process read it: right only if the process was not held up, see `suspect`


class FailureReason(StrEnum):
    """Why a probe failed. A small fixed set, so that it can be a metric label."""

    TIMEOUT = "timeout"
    REFUSED = "refused"
    RESET = "reset"
    UNREACHABLE = "unreachable"
    DNS = "dns"
    TLS = "tls"
    CERTIFICATE = "certificate"
    PROTOCOL = "protocol"
    STATUS = "status"
    HEADER = "header"
    BODY = "body"
    JSON = "json"
    TOO_LARGE = "too_large"
    REDIRECT = "redirect"
    VERSION = "version"  # of HTTP or TLS: not the one that was expected
    RESPONSE = "response"  # a dialogue over tcp, tls or websocket, or the records of dns, were not as expected
    UNHEALTHY = "unhealthy"  # gRPC health: the service says that it does not serve
    AUTH = "auth"  # no token was to be had
    PROXY = "proxy"  # the proxy refused or failed
    INTERNAL = "internal"  # our own fault; never the service's


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a probe failed: a bounded reason for machines, a sentence for people (at most 500 characters)."""

    reason: FailureReason
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsSession:
    """What one TLS handshake showed. `not_after` is the earliest expiry in the chain that was verified, its root
    included; in the chain as it was sent when it was not verified or does not verify."""

    version: str  # "TLS 1.3", as blackbox_exporter spells it
    cipher: str
    not_after: datetime
    leaf_sha256: str  # hex fingerprint of the leaf certificate
    verified: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpFacts:
    """What one HTTP exchange showed. `body_bytes` counts what was read, at most the target's limit; `unpacked_bytes` is
    what became of a compressed body, at most as much."""

    status_code: int
    version: str  # "1.1"
    redirects: int
    body_bytes: int
    content_length: int  # -1 when the header is absent
    body_cut: bool = False  # reading stopped at the target's limit; there was more
    unpacked_bytes: int | None = None  # None: it did not come compressed, or could not be unpacked
    last_modified_seconds: float | None = None  # Unix time; None without a header that can be read


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsFacts:
    """What one DNS exchange showed."""

    rcode: str
    answers: int
    authority: int
    additional: int


@dataclass(frozen=True, slots=True, kw_only=True)
class IcmpFacts:
    """What one echo reply showed."""

    size_bytes: int  # of the payload
    hop_limit: int | None  # what was left of it (IPv4: of the TTL) when the reply came; None where that cannot be seen


@dataclass(frozen=True, slots=True, kw_only=True)
class GrpcFacts:
    """What one call of a gRPC health service showed. `serving` is SERVING, NOT_SERVING, UNKNOWN or SERVICE_UNKNOWN,
    a number that has no name yet, or empty: then `status_code` says why there is no answer."""

    status_code: int
    serving: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressResult:
    """What the probe of one of a name's addresses came to."""

    ip: str
    ok: bool
    reason: FailureReason | None = None
    duration_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GradeFacts:
    """What one TLS scan was rated: letters as SSL Labs spells them, scores 0 to 100."""

    letter: str
    letter_trust_ignored: str
    protocol_score: int
    key_exchange_score: int
    cipher_score: int
    total_score: int
    findings: tuple[tuple[str, str], ...]  # (rule id, summary), worst first


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeResult:
    """One probe of one target from one region.

    `started_at` is the wall clock (aware UTC), for people and for the store. `monotonic_seconds` is when the
    result was complete on the host's monotonic clock, shared by all processes of one host: rules measure
    windows with it, so a step of the wall clock neither opens nor closes anything.
    `phases` holds only the phases that were reached, in order; they need not sum to `duration_seconds`.
    """

    target: str
    region: str
    kind: str  # a key of probes.PROBES: "http", "tcp", "tls", "dns", "icmp", "grpc", "websocket", "tls_grade"
    started_at: datetime
    monotonic_seconds: float
    duration_seconds: float
    phases: tuple[tuple[Phase, float], ...] = ()
    failure: Failure | None = None
    late_seconds: float = 0.0  # how much after its due time the schedule started it
    clock: Clock = Clock.USER  # of the phases that wait for the network
    reprobe: bool = False  # made beside the schedule, because the target was failing; part of no rate
    stripped: bool = False  # there was no room for more than time, outcome and reason
    suspect: bool = False  # the prober was held up meanwhile: its durations may be its own, and count as no slowness
    address: str | None = None  # the IP address that was probed; of several the one that the result is of
    addresses: tuple[AddressResult, ...] = ()  # with `addresses: all` each of them, in the order of the name service
    tls: TlsSession | None = None
    http: HttpFacts | None = None
    dns: DnsFacts | None = None
    icmp: IcmpFacts | None = None
    grpc: GrpcFacts | None = None
    grade: GradeFacts | None = None

    @property
    def ok(self) -> bool:
        return self.failure is None
