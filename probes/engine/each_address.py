"""`addresses: all`: the probes of each address of a name as one result. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from probes.engine.failures import MAX_DETAIL_CHARACTERS, failure
from probes.result import AddressResult, Failure, FailureReason, ProbeResult

MAX_ADDRESSES = 16
# A service that is not reached is worse off than one that answers wrongly; our own fault says nothing of it.
WORST_FIRST = {reason: rank for rank, reason in enumerate(FailureReason)}


def combined(resolved: ProbeResult, results: Sequence[ProbeResult], ips: Sequence[str]) -> ProbeResult:
    """`results` are of the first of `ips`, all that the name has, in that order. Each is of one address, and so is the
    whole: its time and facts are those of the slowest address while all are good, else those of the worst that fails.
    Only the TLS session is the one that ends first of all: its end is what breaks the target."""
    failing = [(ip, result, result.failure) for ip, result in zip(ips, results, strict=False) if result.failure]
    failing.sort(key=lambda row: WORST_FIRST[row[2].reason])
    chosen = failing[0][1] if failing else max(results, key=lambda result: result.duration_seconds)
    sessions = [result.tls for result in results if result.tls is not None]
    return replace(
        chosen,
        started_at=resolved.started_at,
        monotonic_seconds=max(result.monotonic_seconds for result in results),
        failure=_told([(ip, failed) for ip, _, failed in failing], len(results), len(ips)) if failing else None,
        tls=min(sessions, key=lambda session: session.not_after, default=None),
        addresses=tuple(
            AddressResult(
                ip=ip,
                ok=result.ok,
                reason=result.failure.reason if result.failure else None,
                duration_seconds=result.duration_seconds,
            )
            for ip, result in zip(ips, results, strict=False)
        ),
    )


def _told(failing: Sequence[tuple[str, Failure]], probed: int, known: int) -> Failure:
    """Each address that fails and why, as much of it as there is room for."""
    if known == 1:
        return failing[0][1]
    left_out = f", {known - probed} more were not probed" if known > probed else ""
    head = f"{len(failing)} of {probed} addresses {'fails' if len(failing) == 1 else 'fail'}{left_out}: "
    room = (MAX_DETAIL_CHARACTERS - len(head)) // len(failing) - len("; ")
    reasons = "; ".join(_cut(f"{ip}: {failed.detail}", max(room, len(ip))) for ip, failed in failing)
    return failure(failing[0][1].reason, head + reasons)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 3]}..."
