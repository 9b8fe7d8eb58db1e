"""Text from outside (servers, people, files) made safe to keep, to print and to send."""

from __future__ import annotations

import re

# Control characters move a terminal's cursor or colour it, PostgreSQL refuses NUL, a lone surrogate cannot be written
# as UTF-8, and bidirectional overrides make a line read otherwise than it is. Tabs and line ends stay.
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def clean(text: str, limit: int = 4000) -> str:
    """`text` with each unsafe character shown as U+FFFD, at most `limit` characters long."""
    safe = _UNSAFE.sub("\ufffd", text[: limit * 2].replace("\r\n", "\n"))
    return safe if len(safe) <= limit else safe[: limit - 1] + "…"


def one_line(text: str, limit: int = 300) -> str:
    """`clean`, with every run of white space as one space."""
    return clean(" ".join(text[: limit * 4].split()), limit)
