"""What stands in a tally's columns: counters, and the newest result of each target as numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from types import MappingProxyType
from typing import Any

from probes.engine.columns import Code
from probes.options import LatencyObjective
from probes.result import FailureReason, GrpcFacts, HttpFacts, IcmpFacts, Phase

NEVER, SUCCESS, FAILURE, INTERNAL = range(4)
"""What column `outcome` holds: how the newest probe ended; NEVER before the first."""

LATENCY_OBJECTIVES = tuple(LatencyObjective.model_fields)


REASON_NUMBERS: Mapping[FailureReason, int] = MappingProxyType(
    {reason: number for number, reason in enumerate(FailureReason, start=1)}
)
"""What column `reason` holds: why the newest probe failed; 0 when it did not."""

SERVING = ("UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN")
"""Column `grpc_serving` holds the place of what the service said; NONE for anything else."""

NONE = -1


@dataclass(frozen=True, slots=True)
class Fact:
    """A number that the results of one kind have: attribute `name` of its facts."""

    kind: str
    name: str
    without: float = 0  # stands for it when a result has no facts
    code: Code = "q"
    read: Callable[[Any], float] | None = None  # of the facts, where it is not the attribute as it is

    @property
    def column(self) -> str:
        return f"{self.kind}_{self.name}"


def _http_version(http: HttpFacts) -> float:
    """A server may call its version anything."""
    try:
        return float(http.version)
    except ValueError:
        return 0


def _unpacked_bytes(http: HttpFacts) -> int:
    return http.body_bytes if http.unpacked_bytes is None else http.unpacked_bytes


def _last_modified(http: HttpFacts) -> float:
    return NONE if http.last_modified_seconds is None else http.last_modified_seconds


def _hop_limit(icmp: IcmpFacts) -> int:
    return NONE if icmp.hop_limit is None else icmp.hop_limit


def _serving(grpc: GrpcFacts) -> int:
    return SERVING.index(grpc.serving) if grpc.serving in SERVING else NONE


FACTS = (
    Fact("http", "status_code"),
    Fact("http", "version", code="d", read=_http_version),
    Fact("http", "redirects"),
    Fact("http", "content_length", without=NONE),
    Fact("http", "unpacked", read=_unpacked_bytes),
    Fact("http", "last_modified", without=NONE, code="d", read=_last_modified),
    Fact("dns", "answers"),
    Fact("dns", "authority"),
    Fact("dns", "additional"),
    Fact("icmp", "hop_limit", without=NONE, read=_hop_limit),
    Fact("grpc", "status_code", without=NONE),
    Fact("grpc", "serving", without=NONE, read=_serving),
    Fact("websocket", "status_code"),
)
FACTS_OF: Mapping[str, str] = MappingProxyType({"websocket": "http"})
"""The attribute of ProbeResult that has a kind's facts, where it has not the kind's name."""

COUNTED = {SUCCESS: "success", FAILURE: "failure", INTERNAL: "internal"}
NEWEST: Mapping[str, Code] = MappingProxyType(
    {
        "outcome": "q",
        "reason": "q",
        "started_at": "d",
        "monotonic_seconds": "d",
        "duration_seconds": "d",
        "ip_protocol": "q",
        "answered": "q",  # whether it has the facts of its kind
        "tls": "q",
    }
)


def columns_of(bounds: Sequence[float]) -> Mapping[str, Code]:
    """Every column of a tally whose histogram has these bounds: whose the row is, counters, the newest result."""
    counts = [*COUNTED.values(), "suspect", "late", *(f"failed_{reason}" for reason in FailureReason)]
    counts += [f"bucket_{number}" for number in range(len(bounds) + 1)]
    counts += [f"{verdict}_{name}" for name in LATENCY_OBJECTIVES for verdict in ("good", "bad")]
    seconds = ["sum_seconds", *(f"sum_{phase}" for phase in Phase), *(f"last_{phase}" for phase in Phase)]
    columns: dict[str, Code] = {"owner": "q", "address": "q"}
    columns |= dict.fromkeys(counts, "q")
    columns |= dict.fromkeys([*seconds, "not_after"], "d")  # the expiry is kept through results that do not tell it
    columns |= NEWEST
    return columns | {fact.column: fact.code for fact in FACTS}


def mark_of(text: str) -> int:
    """Stands for a target's name in column `owner`, for its URL in `address`; never 0."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big") >> 1 | 1
