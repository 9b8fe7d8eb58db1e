"""The messages of grpc.health.v1.Health/Check as bytes, and how gRPC frames and ends a call. Pure.

The two messages have one field each: https://github.com/grpc/grpc/blob/master/doc/health-checking.md. The framing is
that of https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md.
"""

from __future__ import annotations

import math
from urllib.parse import unquote_to_bytes

from probes.engine.failures import Unanswered
from probes.engine.response import Answer
from probes.result import FailureReason, GrpcFacts

PATH = b"/grpc.health.v1.Health/Check"
SERVING = "SERVING"
SERVING_STATUSES = ("UNKNOWN", SERVING, "NOT_SERVING", "SERVICE_UNKNOWN")
STATUS_NAMES = (
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
)
MAX_MESSAGE_BYTES = 65536
MAX_SHOWN_CHARACTERS = 200
_PREFIX_BYTES = 5
_LONGEST_VARINT_BYTES = 10
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def request_of(service: str) -> bytes:
    """A HealthCheckRequest, framed."""
    name = service.encode("utf-8")
    message = b"\x0a" + _varint(len(name)) + name if name else b""
    return b"\0" + len(message).to_bytes(_PREFIX_BYTES - 1) + message


def timeout_of(seconds: float) -> bytes:
    """The value of grpc-timeout: at most eight digits and a unit. Rounded up: our own deadline comes first."""
    milliseconds = math.ceil(seconds * 1000)
    return b"%dm" % milliseconds if milliseconds < 10**8 else b"%dS" % math.ceil(seconds)


def facts_of(answer: Answer) -> tuple[GrpcFacts, str]:
    """What the answer says of the service, and its grpc-message. Raises Unanswered when it is not one of gRPC."""
    headers = dict(answer.headers)
    # An answer without a message has but one block of headers, and its status is in there.
    ended = dict(answer.trailers or ()) if b"grpc-status" not in headers else headers
    status = ended.get(b"grpc-status")
    if status is None and answer.status_code != 200:
        raise Unanswered(FailureReason.STATUS, f"HTTP status {answer.status_code} and no status of gRPC")
    if status is None and not headers.get(b"content-type", b"").startswith(b"application/grpc"):
        raise Unanswered(FailureReason.PROTOCOL, "the answer is not one of gRPC: it has another content type")
    if answer.cut:
        raise Unanswered(FailureReason.TOO_LARGE, f"an answer of more than {MAX_MESSAGE_BYTES} bytes")
    if status is None:
        raise Unanswered(FailureReason.PROTOCOL, "the answer ended without a grpc-status")
    if not status.isdigit() or len(status) > 10:
        raise Unanswered(FailureReason.PROTOCOL, f"the grpc-status is {status[:20]!r}, not a number")
    code = int(status)
    if code != 0:
        return GrpcFacts(status_code=code), _message(ended.get(b"grpc-message", b""))
    return GrpcFacts(status_code=code, serving=_serving(_unframed(answer.body))), ""


def _message(encoded: bytes) -> str:
    text = unquote_to_bytes(encoded).decode("utf-8", "replace")
    return text if len(text) <= MAX_SHOWN_CHARACTERS else text[:MAX_SHOWN_CHARACTERS] + "..."


def _unframed(body: bytes) -> bytes:
    compressed, length, message = body[:1], int.from_bytes(body[1:_PREFIX_BYTES]), body[_PREFIX_BYTES:]
    if len(body) < _PREFIX_BYTES or len(message) != length:
        raise Unanswered(FailureReason.PROTOCOL, f"the answer's {len(body)} bytes are not one message of gRPC")
    if compressed != b"\0":
        raise Unanswered(FailureReason.PROTOCOL, "the message came compressed, though that was not offered")
    return message


def _serving(message: bytes) -> str:
    """The status in a HealthCheckResponse, by name; fields that it may get one day are passed over."""
    status, at = 0, 0
    while at < len(message):
        key, at = _read_varint(message, at)
        kind = key & 7
        if kind == _VARINT:
            value, at = _read_varint(message, at)
            status = value if key >> 3 == 1 else status
        elif kind == _BYTES:
            length, at = _read_varint(message, at)
            at += length
        elif kind in (_FIXED64, _FIXED32):
            at += 8 if kind == _FIXED64 else 4
        else:
            raise _not_protobuf()
    if at > len(message):
        raise _not_protobuf()
    return SERVING_STATUSES[status] if status < len(SERVING_STATUSES) else str(status)


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    """(number, where it ends)"""
    value = 0
    for shift, byte in enumerate(data[at : at + _LONGEST_VARINT_BYTES]):
        value |= (byte & 0x7F) << 7 * shift
        if byte < 0x80:
            return value, at + shift + 1
    raise _not_protobuf()


def _varint(value: int) -> bytes:
    digits = bytearray()
    while value > 0x7F:
        digits.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*digits, value])


def _not_protobuf() -> Unanswered:
    return Unanswered(FailureReason.PROTOCOL, "the message is not a HealthCheckResponse")
