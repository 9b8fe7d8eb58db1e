"""What a server sends, cut into pieces where a test likes, for the readers that make sense of it."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st


class Pieces:
    """The reading and sending of a Stream, without a network."""

    arrived = arrived_whole = 0.0

    def __init__(self, pieces: Sequence[bytes]) -> None:
        self._pieces = [piece for piece in pieces if piece]
        self.sent = b""

    async def send(self, data: bytes) -> None:
        self.sent += data

    async def receive(self) -> bytes:
        return self._pieces.pop(0) if self._pieces else b""


def cut(everything: bytes, data: st.DataObject) -> list[bytes]:
    places = sorted(data.draw(st.lists(st.integers(0, len(everything)), max_size=10)))
    return [everything[start:end] for start, end in zip([0, *places], [*places, len(everything)], strict=True)]
