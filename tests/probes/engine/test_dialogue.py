"""A dialogue is the same wherever what comes is cut into pieces, and bounded whatever comes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.dialogue import DialogueStep
from probes.engine.dialogue import Lines, talk
from probes.engine.exchange import Exchange
from probes.engine.failures import Unanswered
from probes.engine.incoming import MAX_UNASKED_BYTES, Incoming, TooMuch
from probes.engine.stream import Stream
from tests.probes.engine.pieces import Pieces, cut

STEPS = [{"expect": "^2(.)0", "send": "say ${1}"}, {"send": "and"}, {"expect": "(?P<end>bye|\xe9)", "send": "${end}"}]
LINES = st.lists(
    st.sampled_from([b"220 a", b"230-b", b"bye", b"\xc3\xa9", b"\xff", b"\r", b"", b"noise" * 20])
    | st.binary(max_size=20),
    max_size=8,
)


async def outcome(pieces: Sequence[bytes], steps: list[dict[str, Any]]) -> tuple[object, bytes]:
    stream = Pieces(pieces)
    try:
        speech = Lines(cast(Stream, stream), "a")
        await talk([DialogueStep.model_validate(step) for step in steps], speech, Exchange())
    except Unanswered as unanswered:
        return unanswered.failure, stream.sent
    return None, stream.sent


@given(LINES, st.sampled_from([b"\n", b"\r\n"]), st.data())
async def test_pieces_do_not_matter(lines: list[bytes], end: bytes, data: st.DataObject) -> None:
    everything = end.join(lines)
    pieces = cut(everything, data)
    assert await outcome(pieces, STEPS) == await outcome([everything], STEPS)


@pytest.mark.parametrize("extra", [-1, 0, 1])
@pytest.mark.parametrize("piece_bytes", [1000, 65536, 1_000_000])
async def test_the_bound_is_where_it_is_whatever_the_pieces(extra: int, piece_bytes: int) -> None:
    line = b"x" * (MAX_UNASKED_BYTES - len(b"220\n") + extra - 1) + b"\n220\n"
    pieces = [line[at : at + piece_bytes] for at in range(0, len(line), piece_bytes)]
    failure, _ = await outcome(pieces, [{"expect": "^220"}])
    assert (failure is None) is (extra <= 0)


async def test_an_endless_line_is_not_searched_anew_with_each_byte() -> None:
    """Quadratic work on 64 KiB would be some 2 GB of searching; this would run into the test's timeout."""
    failure, _ = await outcome([b"x"] * (MAX_UNASKED_BYTES + 10), [{"expect": "^220"}])
    assert failure is not None


@given(st.binary(max_size=60), st.data())
async def test_messages_of_a_known_length(everything: bytes, data: st.DataObject) -> None:
    incoming = Incoming(Pieces(cut(everything, data)))
    wanted = data.draw(st.integers(0, 60))
    try:
        assert await incoming.exactly(wanted) == everything[:wanted]
    except Unanswered:
        assert wanted > len(everything)


async def test_what_there_is_no_room_for_is_not_waited_for() -> None:
    with pytest.raises(TooMuch):
        await Incoming(Pieces([b"a"])).exactly(MAX_UNASKED_BYTES + 1)
