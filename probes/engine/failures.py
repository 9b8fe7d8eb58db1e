"""What can go wrong on the way to an answer, as a bounded reason with a sentence for people."""

from __future__ import annotations

import errno
import os
import ssl

from probes.result import Failure, FailureReason, Phase

MAX_DETAIL_CHARACTERS = 500

# The service's fault by the error of the socket; an error that is not here is this host's own (no more files,
# no more ports, not permitted), and must not be reported as the service's.
REASON_OF_ERRNO = {
    errno.ECONNREFUSED: FailureReason.REFUSED,
    errno.ECONNRESET: FailureReason.RESET,
    errno.ECONNABORTED: FailureReason.RESET,
    errno.EPIPE: FailureReason.RESET,
    errno.ENETUNREACH: FailureReason.UNREACHABLE,
    errno.EHOSTUNREACH: FailureReason.UNREACHABLE,
    errno.ENETDOWN: FailureReason.UNREACHABLE,
    errno.EHOSTDOWN: FailureReason.UNREACHABLE,
    errno.ETIMEDOUT: FailureReason.TIMEOUT,
}
WAITED_FOR = {
    Phase.RESOLVE: "the name to be resolved",
    Phase.CONNECT: "the connection to be accepted",
    Phase.TLS: "the TLS handshake to end",
    Phase.PROCESSING: "the first byte of the answer",
    Phase.TRANSFER: "the rest of the answer",
    Phase.REQUEST: "the answer",
    Phase.RTT: "the echo reply",
}


class Unanswered(Exception):
    """There is no whole answer to judge; the failure says why."""

    def __init__(self, reason: FailureReason, detail: str) -> None:
        super().__init__(detail)
        self.failure = failure(reason, detail)


def failure(reason: FailureReason, detail: str) -> Failure:
    """A Failure with its detail made printable and cut to what a result may carry."""
    printable = "".join(character if character.isprintable() else " " for character in detail)
    if len(printable) > MAX_DETAIL_CHARACTERS:
        printable = printable[: MAX_DETAIL_CHARACTERS - 3] + "..."
    return Failure(reason, printable)


def of_os_error(error: OSError, what: str) -> Unanswered:
    """`what` says what was being done: "connecting to 192.0.2.1 port 80"."""
    reason = REASON_OF_ERRNO.get(error.errno or 0, FailureReason.INTERNAL)
    text = os.strerror(error.errno) if error.errno else str(error) or type(error).__name__
    return Unanswered(reason, f"{what}: {text}")


def of_tls_error(error: ssl.SSLError) -> Unanswered:
    if isinstance(error, ssl.SSLCertVerificationError):
        return Unanswered(FailureReason.CERTIFICATE, f"the certificate does not verify: {error.verify_message}")
    text = (error.reason or "").replace("_", " ").lower() or str(error)
    return Unanswered(FailureReason.TLS, f"TLS failed: {text}")


def of_timeout(seconds: float, stage: Phase | None, waited_seconds: float, awaited: str | None = None) -> Failure:
    """The total deadline of `seconds` passed after `waited_seconds` in `stage`, for what it waits for or `awaited`."""
    awaited = awaited or (WAITED_FOR.get(stage) if stage else None)
    if stage is None or awaited is None:
        return failure(FailureReason.TIMEOUT, f"not done within {seconds:g} s")
    reason = FailureReason.DNS if stage is Phase.RESOLVE else FailureReason.TIMEOUT
    return failure(reason, f"not done within {seconds:g} s: waited {waited_seconds:.2f} s for {awaited}")
