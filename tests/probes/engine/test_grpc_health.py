"""gRPC's bytes: held to protobuf's own, and to any others."""

from __future__ import annotations

import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from hypothesis import given
from hypothesis import strategies as st

from probes.engine.failures import Unanswered
from probes.engine.grpc_health import SERVING_STATUSES, facts_of, request_of, timeout_of
from probes.engine.response import Answer
from probes.result import FailureReason, GrpcFacts

GRPC = (b"content-type", b"application/grpc+proto")


def framed(message: bytes) -> bytes:
    return b"\0" + len(message).to_bytes(4) + message


def answer(
    body: bytes = b"",
    *,
    status: int = 200,
    headers: list[tuple[bytes, bytes]] | None = None,
    trailers: list[tuple[bytes, bytes]] | None = None,
    cut: bool = False,
) -> Answer:
    return Answer(
        status_code=status,
        version="2",
        headers=[GRPC] if headers is None else headers,
        body=body,
        cut=cut,
        trailers=trailers,
    )


@given(st.text(max_size=300))
def test_a_request_is_as_protobuf_writes_it(service: str) -> None:
    try:
        expected = HealthCheckRequest(service=service).SerializeToString()
    except UnicodeEncodeError:  # half of a surrogate pair is in no address
        return
    assert request_of(service) == framed(expected)


@pytest.mark.parametrize("status", range(4))
def test_a_response_of_protobuf_is_read(status: int) -> None:
    body = framed(HealthCheckResponse(status=status).SerializeToString())
    facts, _ = facts_of(answer(body, trailers=[(b"grpc-status", b"0")]))
    assert facts == GrpcFacts(status_code=0, serving=SERVING_STATUSES[status])
    assert HealthCheckResponse.ServingStatus.Name(status) == facts.serving


def test_fields_and_statuses_of_a_later_day_are_no_fault() -> None:
    later = b"\x12\x03new" + b"\x19" + bytes(8) + b"\x25" + bytes(4) + b"\x28\x80\x01"
    for message, serving in ((later + b"\x08\x01", "SERVING"), (b"\x08\x01" + later, "SERVING"), (b"\x08\x09", "9")):
        facts, _ = facts_of(answer(framed(message), trailers=[(b"grpc-status", b"0")]))
        assert facts.serving == serving


@given(st.binary(max_size=40), st.booleans())
def test_any_message_is_read_or_refused(message: bytes, in_frame: bool) -> None:
    body = framed(message) if in_frame else message
    try:
        facts, _ = facts_of(answer(body, trailers=[(b"grpc-status", b"0")]))
    except Unanswered:
        return
    assert len(facts.serving) <= 22


@pytest.mark.parametrize(
    ("seen", "reason", "said"),
    [
        (answer(status=502, headers=[]), FailureReason.STATUS, "HTTP status 502"),
        (answer(headers=[(b"content-type", b"text/html")]), FailureReason.PROTOCOL, "another content type"),
        (answer(b"ok"), FailureReason.PROTOCOL, "without a grpc-status"),
        (answer(b"x" * 100, cut=True), FailureReason.TOO_LARGE, "more than"),
        (answer(trailers=[(b"grpc-status", b"none")]), FailureReason.PROTOCOL, "not a number"),
        (answer(trailers=[(b"grpc-status", b"0")]), FailureReason.PROTOCOL, "0 bytes are not one message"),
        (answer(b"\0\0\0\0\5ab", trailers=[(b"grpc-status", b"0")]), FailureReason.PROTOCOL, "not one message"),
        (answer(b"\1\0\0\0\1a", trailers=[(b"grpc-status", b"0")]), FailureReason.PROTOCOL, "compressed"),
        (answer(framed(b"\x0b"), trailers=[(b"grpc-status", b"0")]), FailureReason.PROTOCOL, "HealthCheckResponse"),
        (answer(framed(b"\x12\x7f"), trailers=[(b"grpc-status", b"0")]), FailureReason.PROTOCOL, "HealthCheckResponse"),
    ],
)
def test_what_is_no_answer_has_its_reason(seen: Answer, reason: FailureReason, said: str) -> None:
    with pytest.raises(Unanswered) as raised:
        facts_of(seen)
    assert raised.value.failure.reason is reason
    assert said in raised.value.failure.detail


def test_a_status_comes_with_the_headers_or_after_the_message_and_its_text_is_decoded() -> None:
    ended = [(b"grpc-status", b"14"), (b"grpc-message", b"caf%C3%A9 %zz is shut")]
    for seen in (answer(headers=[GRPC, *ended]), answer(trailers=ended)):
        assert facts_of(seen) == (GrpcFacts(status_code=14), "caf\u00e9 %zz is shut")


@pytest.mark.parametrize(
    ("seconds", "value"), [(0.4, b"400m"), (4.9991, b"5000m"), (99_999.0, b"99999000m"), (100_000.0, b"100000S")]
)
def test_the_timeout_that_is_sent_has_at_most_eight_digits(seconds: float, value: bytes) -> None:
    assert timeout_of(seconds) == value
