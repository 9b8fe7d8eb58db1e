"""What a server sends, as lines or messages of a known length: the same wherever the pieces were cut, and bounded."""

from __future__ import annotations

from typing import Protocol

from probes.engine.failures import Unanswered
from probes.result import FailureReason

MAX_UNASKED_BYTES = 65536


class Talk(Protocol):
    """What a conversation needs of a `Stream`."""

    async def send(self, data: bytes) -> None: ...

    async def receive(self) -> bytes:
        """The next bytes; empty when the other side has ended."""
        ...


class TooMuch(Exception):
    """Nothing of what was asked for is in the bytes that there is room for."""


class Incoming:
    """`room` is how many bytes may still be taken: it is used up by what is taken, and whoever got an answer may set it
    anew. Raises TooMuch when it does not hold what is asked for."""

    def __init__(self, stream: Talk) -> None:
        self._stream = stream
        self._held = bytearray()
        self.room = MAX_UNASKED_BYTES

    @property
    def held(self) -> bytes:
        """What has come and was not taken."""
        return bytes(self._held)

    async def until(self, end: bytes) -> bytes:
        """Up to and with `end`; what there is without it when the other side has ended, at last nothing."""
        looked_at = 0
        while (found := self._held.find(end, looked_at)) < 0:
            looked_at = max(0, len(self._held) - len(end) + 1)
            if len(self._held) > self.room:
                raise TooMuch
            if not await self._more():
                return self._take(len(self._held))
        return self._take(found + len(end))

    async def line(self) -> str | None:
        """Without its end (CRLF, LF); None at the end. Bytes that are no UTF-8 come as surrogates, and go out as they
        came."""
        line = await self.until(b"\n")
        return line.removesuffix(b"\n").removesuffix(b"\r").decode("utf-8", "surrogateescape") if line else None

    async def exactly(self, count: int) -> bytes:
        """Raises Unanswered when the other side ends before."""
        if count > self.room:
            raise TooMuch
        while len(self._held) < count:
            if not await self._more():
                got = f"after {len(self._held)} of {count} bytes" if self._held else "without an answer"
                raise Unanswered(FailureReason.RESET, f"the connection was closed {got}")
        return self._take(count)

    async def _more(self) -> bool:
        data = await self._stream.receive()
        self._held += data
        return bool(data)

    def _take(self, count: int) -> bytes:
        if count > self.room:
            raise TooMuch
        self.room -= count
        taken = bytes(self._held[:count])
        del self._held[:count]
        return taken


def nothing_before_tls(incoming: Incoming) -> None:
    """Raises Unanswered when something came in the clear after the last answer: whoever stands in between could put
    words into the mouth of the server, and a client would take them for protected ones (CVE-2011-0411)."""
    if incoming.held:
        raise Unanswered(
            FailureReason.PROTOCOL,
            f"{len(incoming.held)} bytes came in the clear after the answer to STARTTLS (as in CVE-2011-0411)",
        )
