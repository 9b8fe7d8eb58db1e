"""What is said over one connection: the steps of a dialogue, and how far it got."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import partial
from itertools import chain
from typing import Protocol

from probes.dialogue import MASK, SHORTEST_SECRET, DialogueStep, Spoken
from probes.engine.exchange import Exchange
from probes.engine.failures import Unanswered
from probes.engine.incoming import MAX_UNASKED_BYTES, Incoming, TooMuch, nothing_before_tls
from probes.engine.search import SEARCH_CPU_SECONDS, SearchTime, SearchTooLong
from probes.engine.stream import Stream
from probes.result import FailureReason, Phase

MAX_SHOWN_CHARACTERS = 80


class Speech(Protocol):
    """What a dialogue is held over: the lines of a Stream, or the messages of a WebSocket on it."""

    unit: str  # what is said and heard: "line"
    stream: Stream
    most_bytes: int  # how much may come until what is expected comes
    room: int  # what is left of that; raises TooMuch when it is used up
    ended: str  # how the other side has ended, once it has

    @property
    def held(self) -> bytes:
        """What has come of a unit that is not whole."""
        ...

    async def heard(self) -> str | None:
        """The next unit; None when the other side has ended. Bytes that are no UTF-8 come as surrogates."""
        ...

    async def say(self, spoken: Spoken, match: re.Match[str] | None) -> None: ...

    async def start_tls(self) -> None: ...


class Lines(Incoming):
    """The lines of a connection that may begin TLS in between."""

    unit = "line"
    most_bytes = MAX_UNASKED_BYTES
    ended = "the connection was closed"

    def __init__(self, stream: Stream, server_name: str) -> None:
        super().__init__(stream)
        self.stream = stream
        self._server_name = server_name

    async def heard(self) -> str | None:
        return await self.line()

    async def say(self, spoken: Spoken, match: re.Match[str] | None) -> None:
        await self.stream.send(spoken.filled(match).encode("utf-8", "surrogateescape"))

    async def start_tls(self) -> None:
        nothing_before_tls(self)
        await self.stream.start_tls(self._server_name)
        await self.stream.finish_tls()


async def talk(steps: Iterable[DialogueStep], speech: Speech, exchange: Exchange) -> None:
    """Take the steps in turn. The phase `processing` lasts until what is expected first has come, unless it is over
    already, and `transfer` until the last step is taken; TLS in between is a phase of its own. Raises Unanswered."""
    steps = tuple(steps)
    listener = _Listener(speech, exchange, steps)
    match: re.Match[str] | None = None
    if exchange.stage is not Phase.TRANSFER:
        exchange.enter(Phase.PROCESSING)
    for step in steps:
        if step.expect is not None:
            match = await listener.hear(step.expect)
            if exchange.stage is Phase.PROCESSING:
                exchange.enter(Phase.TRANSFER, speech.stream.arrived)
        if step.send is not None:
            await speech.say(step.send, match)
            exchange.note("said", partial(repr, str(step.send)))
        if step.starttls:
            stage = exchange.stage
            await speech.start_tls()
            exchange.enter(stage)
    # To the last answer: what is sent after it, or nothing, waits for nobody.
    exchange.enter(None, speech.stream.arrived_whole if exchange.stage is Phase.TRANSFER else None)


class _Listener:
    """Hears until something is as expected, and can always say what it was."""

    def __init__(self, speech: Speech, exchange: Exchange, steps: tuple[DialogueStep, ...]) -> None:
        self._speech = speech
        self._exchange = exchange
        self._search_time = SearchTime()
        spoken = (step.send.secrets() for step in steps if step.send is not None)
        self._secrets = sorted(set(chain.from_iterable(spoken)), key=len, reverse=True)
        self._pattern = ""
        self._last: str | None = None

    async def hear(self, pattern: str) -> re.Match[str]:
        self._pattern, self._last = pattern, None
        self._speech.room = self._speech.most_bytes
        self._exchange.awaited = self._awaited
        try:
            while (line := await self._speech.heard()) is not None:
                self._last = line
                if found := self._search_time.find(pattern, line):
                    self._exchange.note("heard what was expected", partial(self._shown, line))
                    self._exchange.awaited = None
                    return found
                self._exchange.note("heard", partial(self._shown, line))
        except TooMuch:
            raise self._failure(f"{self._speech.most_bytes} bytes came without it") from None
        except SearchTooLong:
            raise Unanswered(
                FailureReason.RESPONSE,
                f"searching for {pattern!r} took more than {SEARCH_CPU_SECONDS} s of CPU; simplify the pattern",
            ) from None
        raise self._failure(self._speech.ended)

    def _failure(self, what: str) -> Unanswered:
        return Unanswered(FailureReason.RESPONSE, f"expected {self._pattern!r}, but {what}; {self._heard()}")

    def _awaited(self) -> str:
        return f"a {self._speech.unit} with {self._pattern!r}; {self._heard()}"

    def _heard(self) -> str:
        """The last one; else what came of one, unless it could hold a part of a secret that cannot be told."""
        if self._last is not None:
            return f"the last {self._speech.unit} was {self._shown(self._last)}"
        if self._speech.held and not self._secrets:
            begun = self._speech.held[:MAX_SHOWN_CHARACTERS].decode("utf-8", "replace")
            return f"a {self._speech.unit} without an end came: {self._shown(begun)}"
        return f"no {self._speech.unit} came"

    def _shown(self, line: str) -> str:
        for secret in self._secrets:
            if len(secret) >= SHORTEST_SECRET:
                line = line.replace(secret, MASK)
        text = repr(line.encode("utf-8", "surrogateescape").decode("utf-8", "replace"))
        return text if len(text) <= MAX_SHOWN_CHARACTERS else text[:MAX_SHOWN_CHARACTERS] + "..."
