"""HTTP/2 against servers that misbehave frame by frame: a bounded reason, bounded time, bounded memory."""

from __future__ import annotations

import time
import tracemalloc

import pytest

from probes.engine.exchange import Exchange
from probes.engine.failures import MAX_DETAIL_CHARACTERS
from probes.engine.http2 import ask_http2
from probes.engine.measure import measure
from probes.engine.response import Answer
from probes.engine.stream import open_stream
from probes.result import FailureReason, Phase, ProbeResult
from tests.probes.support import CONTEXT, TRIES, detail, reason, stood_still, target
from tests.support.misbehaving import Behaviour, Misbehaving, Peer
from tests.support.misbehaving_http2 import BEGIN, BEHAVIOURS, OK, SETTINGS, data, frame, goaway, headers

FIELDS = [(b":method", b"GET"), (b":scheme", b"http"), (b":authority", b"a"), (b":path", b"/")]
EXPECTED = {
    "never_answers": FailureReason.TIMEOUT,
    "closes_at_once": FailureReason.RESET,
    "closes_after_its_settings": FailureReason.RESET,
    "closes_in_the_headers": FailureReason.RESET,
    "closes_in_the_body": FailureReason.RESET,
    "closes_in_a_frame": FailureReason.RESET,
    "resets_in_the_body": FailureReason.RESET,
    "hangs_in_the_body": FailureReason.TIMEOUT,
    "drips_headers": FailureReason.TIMEOUT,
    "drips_body": FailureReason.TIMEOUT,
    "goes_away": FailureReason.RESET,
    "goes_away_in_anger": FailureReason.RESET,
    "goes_away_too_shortly": FailureReason.PROTOCOL,
    "resets_the_stream": FailureReason.RESET,
    "resets_in_no_known_way": FailureReason.RESET,
    "wants_http1": FailureReason.VERSION,
    "endless_pings": FailureReason.TOO_LARGE,
    "endless_settings": FailureReason.TOO_LARGE,
    "endless_window_updates": FailureReason.TOO_LARGE,
    "endless_unknown_frames": FailureReason.TOO_LARGE,
    "endless_continuation": FailureReason.TOO_LARGE,
    "endless_empty_continuation": FailureReason.PROTOCOL,
    "endless_interim": FailureReason.TOO_LARGE,
    "endless_empty_data": FailureReason.TOO_LARGE,
    "endless_padding": FailureReason.TOO_LARGE,
    "endless_body": None,
    "endless_settings_in_the_body": FailureReason.TOO_LARGE,
    "header_bomb": FailureReason.TOO_LARGE,
    "huge_frame": FailureReason.PROTOCOL,
    "pushes": FailureReason.PROTOCOL,
    "answers_what_was_not_asked": FailureReason.PROTOCOL,
    "has_no_status": FailureReason.PROTOCOL,
    "has_a_status_in_words": FailureReason.PROTOCOL,
    "has_a_status_of_one_digit": FailureReason.PROTOCOL,
    "body_before_headers": FailureReason.PROTOCOL,
    "more_than_its_length": FailureReason.PROTOCOL,
    "a_block_that_is_none": FailureReason.PROTOCOL,
    "http1": FailureReason.PROTOCOL,
    "not_http": FailureReason.PROTOCOL,
}


async def asked(
    behaviour: Behaviour, *, body: bytes = b"", timeout: str = "20s", most: int = 100_000
) -> tuple[ProbeResult, Answer | None]:
    """Without TLS, which is the same for every kind, and in which a server of asyncio does not misbehave freely."""
    answers: list[Answer] = []

    async def ask(exchange: Exchange, deadline: float) -> None:
        stream = await open_stream("127.0.0.1", server.port, exchange, deadline=deadline)
        try:
            answers.append(await ask_http2(stream, FIELDS, body, exchange, most))
        finally:
            stream.close()

    with Misbehaving(behaviour) as server:
        asked_of = target(server.url, timeout=timeout, every="30s")
        for _ in range(TRIES):
            result = await measure("http", asked_of, CONTEXT, ask)
            if not stood_still(result):
                break
    return result, answers[0] if answers else None


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
async def test_each_ends_in_time_with_a_reason_and_without_filling_the_memory(behaviour: str) -> None:
    timeout = "400ms" if EXPECTED[behaviour] is FailureReason.TIMEOUT else "20s"
    tracemalloc.start()
    began = time.monotonic()
    result, answer = await asked(BEHAVIOURS[behaviour], timeout=timeout)
    took, (_, peak_bytes) = time.monotonic() - began, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert reason(result) is EXPECTED[behaviour], result.failure
    assert took < 10
    assert peak_bytes < 4_000_000
    assert result.failure is None or len(result.failure.detail) <= MAX_DETAIL_CHARACTERS
    assert (answer is None) is (result.failure is not None)


async def test_a_body_above_the_limit_is_cut_and_the_answer_says_so() -> None:
    _, answer = await asked(BEHAVIOURS["endless_body"], most=1000)
    assert answer is not None
    assert (len(answer.body), answer.cut) == (1000, True)


async def test_a_server_that_opens_no_window_is_waited_for_until_the_deadline() -> None:
    async def stall(peer: Peer) -> None:
        await peer.send(frame(SETTINGS, b"\0\4\0\0\0\0"))
        await peer.hang()

    result, _ = await asked(stall, body=b"x" * 100_000, timeout="400ms")
    assert reason(result) is FailureReason.TIMEOUT
    assert "first byte of the answer" in detail(result)


async def test_a_server_that_answers_before_it_has_the_whole_body_has_answered() -> None:
    async def refuse(peer: Peer) -> None:
        await peer.send(BEGIN + headers((":status", "413"), end=True))
        await peer.hang()

    _, answer = await asked(refuse, body=b"x" * 100_000)
    assert answer is not None
    assert answer.status_code == 413


async def test_a_body_in_tiny_frames_counts_as_any_other() -> None:
    async def crumble(peer: Peer) -> None:
        await peer.send(OK + data(b"x") * 5000 + data(b"", end=True))
        await peer.hang()

    _, answer = await asked(crumble)
    assert answer is not None
    assert answer.body == b"x" * 5000


async def test_interim_answers_trailers_and_a_goaway_leave_the_answer_as_it_is() -> None:
    async def talk(peer: Peer) -> None:
        await peer.send(BEGIN + headers((":status", "103"), ("link", "</a>")) + headers((":status", "200"), ("a", "b")))
        await peer.send(data(b"o") + goaway(1) + data(b"k") + headers(("checksum", "1"), end=True))
        await peer.hang()

    result, answer = await asked(talk)
    assert answer is not None
    assert (answer.status_code, answer.version, answer.body, answer.cut) == (200, "2", b"ok", False)
    assert (answer.headers, answer.trailers) == ([(b"a", b"b")], [(b"checksum", b"1")])
    assert [phase for phase, _ in result.phases][-2:] == [Phase.PROCESSING, Phase.TRANSFER]
