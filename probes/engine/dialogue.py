"""What is said over one connection: the steps of a dialogue, and how far it got."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import partial
from itertools import chain

from probes.dialogue import MASK, SHORTEST_SECRET, DialogueStep
from probes.engine.exchange import Exchange
from probes.engine.failures import Unanswered
from probes.engine.incoming import MAX_UNASKED_BYTES, Incoming, TooMuch, nothing_before_tls
from probes.engine.search import SEARCH_CPU_SECONDS, SearchTime, SearchTooLong
from probes.engine.stream import Stream
from probes.result import FailureReason, Phase

MAX_SHOWN_CHARACTERS = 80


async def talk(steps: Iterable[DialogueStep], stream: Stream, exchange: Exchange, server_name: str) -> None:
    """Take the steps in turn. The phase `processing` lasts until the first expected line has come, `transfer` until
    the last step is taken; TLS in between is a phase of its own. Raises Unanswered."""
    steps = tuple(steps)
    incoming = Incoming(stream)
    listener = _Listener(incoming, exchange, steps)
    match: re.Match[str] | None = None
    exchange.enter(Phase.PROCESSING)
    for step in steps:
        if step.expect is not None:
            match = await listener.hear(step.expect)
            if exchange.stage is Phase.PROCESSING:
                exchange.enter(Phase.TRANSFER, stream.arrived)
        if step.send is not None:
            await stream.send(step.send.filled(match).encode("utf-8", "surrogateescape"))
            exchange.note("said", partial(repr, str(step.send)))
        if step.starttls:
            nothing_before_tls(incoming)
            stage = exchange.stage
            await stream.start_tls(server_name)
            await stream.finish_tls()
            exchange.enter(stage)
    # To the last answer: what is sent after it, or nothing, waits for nobody.
    exchange.enter(None, stream.arrived_whole if exchange.stage is Phase.TRANSFER else None)


class _Listener:
    """Reads lines until one is as expected, and can always say what it heard."""

    def __init__(self, incoming: Incoming, exchange: Exchange, steps: tuple[DialogueStep, ...]) -> None:
        self._incoming = incoming
        self._exchange = exchange
        self._search_time = SearchTime()
        spoken = (step.send.secrets() for step in steps if step.send is not None)
        self._secrets = sorted(set(chain.from_iterable(spoken)), key=len, reverse=True)
        self._pattern = ""
        self._last: str | None = None

    async def hear(self, pattern: str) -> re.Match[str]:
        self._pattern, self._last = pattern, None
        self._incoming.room = MAX_UNASKED_BYTES
        self._exchange.awaited = self._awaited
        try:
            while (line := await self._incoming.line()) is not None:
                self._last = line
                if found := self._search_time.find(pattern, line):
                    self._exchange.note("heard what was expected", partial(self._shown, line))
                    self._exchange.awaited = None
                    return found
                self._exchange.note("heard", partial(self._shown, line))
        except TooMuch:
            raise self._failure(f"{MAX_UNASKED_BYTES} bytes came without it") from None
        except SearchTooLong:
            raise Unanswered(
                FailureReason.RESPONSE,
                f"searching for {pattern!r} took more than {SEARCH_CPU_SECONDS} s of CPU; simplify the pattern",
            ) from None
        raise self._failure("the connection was closed")

    def _failure(self, what: str) -> Unanswered:
        return Unanswered(FailureReason.RESPONSE, f"expected {self._pattern!r}, but {what}; {self._heard()}")

    def _awaited(self) -> str:
        return f"a line with {self._pattern!r}; {self._heard()}"

    def _heard(self) -> str:
        """The last line; else what came of one, unless it could hold a part of a secret that cannot be told."""
        if self._last is not None:
            return f"the last line was {self._shown(self._last)}"
        if self._incoming.held and not self._secrets:
            begun = self._incoming.held[:MAX_SHOWN_CHARACTERS].decode("utf-8", "replace")
            return f"a line without an end came: {self._shown(begun)}"
        return "no line came"

    def _shown(self, line: str) -> str:
        for secret in self._secrets:
            if len(secret) >= SHORTEST_SECRET:
                line = line.replace(secret, MASK)
        text = repr(line.encode("utf-8", "surrogateescape").decode("utf-8", "replace"))
        return text if len(text) <= MAX_SHOWN_CHARACTERS else text[:MAX_SHOWN_CHARACTERS] + "..."
