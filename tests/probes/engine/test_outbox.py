"""Results on their way: the worker's outbox, the frames on the socket, the pool's inbox."""

from __future__ import annotations

import asyncio
from dataclasses import fields, replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.engine.inbox import Inbox
from probes.engine.messages import Frames, Message, Results, Stop, Trouble, encode
from probes.engine.outbox import BATCH_RESULTS, FLUSH_SECONDS, Outbox
from probes.result import Failure, FailureReason, GradeFacts, HttpFacts, Phase, ProbeResult, TlsSession
from tests.probes.support import eventually

Batch = tuple[ProbeResult, ...]
GRADE = GradeFacts(
    letter="A",
    letter_trust_ignored="A",
    protocol_score=100,
    key_exchange_score=90,
    cipher_score=90,
    total_score=93,
    findings=(),
)


def result(number: int = 0) -> ProbeResult:
    now = datetime(2026, 1, 2, tzinfo=UTC)
    return ProbeResult(
        target=f"t{number}",
        region="test",
        kind="http",
        started_at=now,
        monotonic_seconds=float(number),
        duration_seconds=0.1,
        phases=((Phase.CONNECT, 0.01),),
        failure=Failure(FailureReason.STATUS, "status 500"),
        address="192.0.2.1",
        tls=TlsSession(version="TLS 1.3", cipher="x", not_after=now, leaf_sha256="ab", verified=True),
        http=HttpFacts(status_code=500, version="1.1", redirects=0, body_bytes=1, content_length=-1, body_cut=True),
    )


async def test_results_go_out_soon_and_in_batches() -> None:
    sent: list[Batch] = []
    outbox = Outbox(sent.append)
    outbox.add(result(1))
    assert sent == []
    await eventually(lambda: sent, "the flush")
    for number in range(BATCH_RESULTS):
        outbox.add(result(number))
    assert [len(batch) for batch in sent] == [1, BATCH_RESULTS]
    outbox.flush()
    assert len(sent) == 2


async def test_while_nothing_can_be_sent_the_oldest_lose_their_facts_and_are_counted_but_none_is_lost() -> None:
    sent: list[Batch] = []
    outbox = Outbox(sent.append, capacity=300)
    outbox.set_writable(False)
    for number in range(1000):
        outbox.add(result(number))
    assert sent == []
    assert outbox.dropped == 700
    outbox.set_writable(True)
    got = [each for batch in sent for each in batch]
    assert [each.target for each in got] == [f"t{number}" for number in range(1000)]
    assert [each.stripped for each in got] == [True] * 700 + [False] * 300
    assert [each.monotonic_seconds for each in got] == [float(number) for number in range(1000)]
    assert {each.failure.reason for each in got if each.failure} == {FailureReason.STATUS}
    told = {"target", "region", "kind", "started_at", "monotonic_seconds", "duration_seconds", "failure", "stripped"}
    plain = result(0)
    for field in fields(plain):
        default = field.default
        assert field.name in told or all(getattr(each, field.name) == default for each in got[:700]), field.name


async def test_when_there_is_no_room_even_for_stripped_results_the_oldest_go() -> None:
    sent: list[Batch] = []
    outbox = Outbox(sent.append, capacity=1, stripped_capacity=10)
    outbox.set_writable(False)
    for number in range(100):
        outbox.add(result(number))
    outbox.set_writable(True)
    assert [each.target for batch in sent for each in batch] == [f"t{number}" for number in range(89, 100)]


async def test_a_grade_keeps_its_facts_and_a_success_stays_one() -> None:
    sent: list[Batch] = []
    outbox = Outbox(sent.append, capacity=2)
    outbox.set_writable(False)
    graded = replace(result(0), kind="tls_grade", failure=None, grade=GRADE)
    for each in (graded, replace(result(1), failure=None, suspect=True, reprobe=True), result(2), result(3)):
        outbox.add(each)
    outbox.set_writable(True)
    got = {each.target: each for batch in sent for each in batch}
    assert got["t0"] == graded
    assert (got["t1"].stripped, got["t1"].ok, got["t1"].suspect, got["t1"].reprobe) == (True, True, True, True)


async def test_what_is_urgent_does_not_wait_for_the_batch() -> None:
    sent: list[Batch] = []
    outbox = Outbox(sent.append)
    outbox.add(result(1))
    loop = asyncio.get_running_loop()
    began = loop.time()
    outbox.add(result(2), urgent=True)
    assert outbox._timer is not None
    assert outbox._timer.when() - began < FLUSH_SECONDS / 2
    await eventually(lambda: sent, "the flush")
    assert len(sent[0]) == 2


async def test_at_the_end_everything_is_sent_whether_or_not_the_reader_keeps_up() -> None:
    sent: list[Batch] = []
    outbox = Outbox(sent.append)
    outbox.set_writable(False)
    outbox.add(result())
    outbox.flush(all_of_it=True)
    assert len(sent) == 1


MESSAGES: list[Message] = [Results((result(1), result(2)), late=3, dropped=4), Stop(2.5), Trouble("what", "where")]


@given(st.lists(st.sampled_from(MESSAGES), max_size=5), st.lists(st.integers(0, 3000), max_size=8))
def test_frames_come_out_as_they_went_in_however_they_are_cut(messages: list[Message], cuts: list[int]) -> None:
    wire = b"".join(map(encode, messages))
    frames, got, start = Frames(), [], 0
    for end in [*sorted(min(cut, len(wire)) for cut in cuts), len(wire)]:
        got += frames.feed(wire[start:end])
        start = end
    assert got == messages


async def test_a_full_inbox_makes_its_writer_wait_and_an_open_one_does_not() -> None:
    inbox = Inbox(capacity=1)
    await inbox.put((result(0),))
    waiting = asyncio.create_task(inbox.put((result(1),)))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(waiting), 0.05)
    await inbox.open_wide()
    await waiting
    await inbox.put((result(2),))
    await inbox.close()
    assert [batch[0].target async for batch in inbox.batches()] == ["t0", "t1", "t2"]
