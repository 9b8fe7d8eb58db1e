"""Text that a server chose, made fit for a terminal, a log and a page."""

from __future__ import annotations

from cryptography.x509 import Name

MAX_CHARACTERS = 200


def printable(text: str) -> str:
    """At most 200 characters, with what is not printable (an escape sequence, a line break) spelled out."""
    shown = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text[:MAX_CHARACTERS])
    return shown if len(shown) <= MAX_CHARACTERS else shown[: MAX_CHARACTERS - 1] + "…"


def name_of(name: Name) -> str:
    """A distinguished name as RFC 4514 writes it."""
    return printable(name.rfc4514_string()) or "(no name)"
