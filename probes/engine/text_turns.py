"""The protocols that ask for TLS in lines of text, as tables of turns."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from probes.engine.failures import Unanswered
from probes.engine.incoming import Incoming, Talk
from probes.result import FailureReason

MAX_SHOWN_CHARACTERS = 80


@dataclass(frozen=True, slots=True)
class Turn:
    """A line to send, without its end (empty: the server speaks first), how the last line of its answer must begin,
    and what one line of it must offer. Both are regular expressions without regard to case."""

    send: str
    good: str
    offers: str = ""


Read = Callable[[Incoming, str], Awaitable[list[str]]]
"""The lines of the answer to what was asked, the one that decides last. Raises Unanswered for what is none."""


@dataclass(frozen=True, slots=True)
class TextProtocol:
    name: str
    read: Read
    turns: tuple[Turn, ...]


async def take(protocol: TextProtocol, stream: Talk, incoming: Incoming) -> None:
    """Take the turns of `protocol`. Raises Unanswered, `response` for a refusal."""
    for turn in protocol.turns:
        if turn.send:
            await stream.send(turn.send.encode() + b"\r\n")
        lines = await protocol.read(incoming, turn.send)
        if not re.match(turn.good, lines[-1], re.IGNORECASE):
            raise refused(repr(turn.send) if turn.send else "the connection", repr(lines[-1]))
        if turn.offers and not any(re.match(turn.offers, line, re.IGNORECASE) for line in lines):
            raise Unanswered(FailureReason.RESPONSE, "the server does not offer STARTTLS")


def refused(what: str, answer: str) -> Unanswered:
    return Unanswered(FailureReason.RESPONSE, f"{what} was refused: {_cut(answer)}")


def strange(protocol: str, answer: bytes) -> Unanswered:
    shown = repr(answer[:MAX_SHOWN_CHARACTERS].decode("utf-8", "replace"))
    return Unanswered(FailureReason.PROTOCOL, f"the answer is not {protocol}: {_cut(shown)}")


def _cut(text: str) -> str:
    return text if len(text) <= MAX_SHOWN_CHARACTERS else text[:MAX_SHOWN_CHARACTERS] + "..."


async def _line(incoming: Incoming) -> str:
    line = await incoming.until(b"\n")
    if not line.endswith(b"\n"):
        raise Unanswered(FailureReason.RESET, "the connection was closed before TLS could begin")
    return line.decode("utf-8", "surrogateescape").rstrip("\r\n")


def _numbered(name: str) -> Read:
    """RFC 959 section 4.2, which RFC 5321 section 4.2 narrows: a code and a hyphen begin an answer of several lines,
    the same code and a space end it. A code of 1xx says that the answer comes later."""

    async def read(incoming: Incoming, _asked: str) -> list[str]:
        code = "1"
        while code.startswith("1"):
            lines = [await _line(incoming)]
            begun = re.match(r"([1-5]\d\d)([ -]|$)", lines[0])
            if begun is None:
                raise strange(name, lines[0].encode("utf-8", "surrogateescape"))
            code = begun[1]
            while begun[2] == "-" and not re.match(rf"{code}( |$)", lines[-1]):
                lines.append(await _line(incoming))
        return lines

    return read


async def _tagged(incoming: Incoming, asked: str) -> list[str]:
    """RFC 9051 section 2.2.2: untagged lines, and one with the tag of the command. The greeting is one untagged."""
    tag = asked.partition(" ")[0] or "*"
    lines: list[str] = []
    while not lines or not lines[-1].startswith(f"{tag} "):
        lines.append(await _line(incoming))
        if not lines[-1].startswith(("* ", f"{tag} ")):
            raise strange("IMAP", lines[-1].encode("utf-8", "surrogateescape"))
    return lines


async def _single(incoming: Incoming, _asked: str) -> list[str]:
    """RFC 1939 section 3."""
    line = await _line(incoming)
    if not re.match(r"\+OK|-ERR", line):
        raise strange("POP3", line.encode("utf-8", "surrogateescape"))
    return [line]


# RFC 3207; the name in EHLO is an address literal (RFC 5321 section 4.1.3), for this host may have no name.
SMTP = TextProtocol(
    "SMTP",
    _numbered("SMTP"),
    (Turn("", "220"), Turn("EHLO [127.0.0.1]", "250", r"250[ -]STARTTLS\b"), Turn("STARTTLS", "220")),
)
# RFC 4217 section 4.
FTP = TextProtocol("FTP", _numbered("FTP"), (Turn("", "220"), Turn("AUTH TLS", "234")))
# RFC 9051 section 6.2.1. A connection that is authenticated already (PREAUTH) cannot begin TLS.
IMAP = TextProtocol(
    "IMAP",
    _tagged,
    (
        Turn("", r"\* OK\b"),
        Turn("a CAPABILITY", r"a OK\b", r"\* CAPABILITY\b.*\bSTARTTLS\b"),
        Turn("b STARTTLS", r"b OK\b"),
    ),
)
# RFC 2595 section 4. The answer decides: the list of capabilities (CAPA) came later than the command.
POP3 = TextProtocol("POP3", _single, (Turn("", r"\+OK"), Turn("STLS", r"\+OK")))
