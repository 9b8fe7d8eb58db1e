"""Keeps secrets out of every text that leaves the process.

Two nets: secrets known by value (`register_secret`, as settings resolve them) in the forms in which they travel, and
texts that look like a secret by name or place (Authorization, ?token=, https://user:password@host).
"""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

MASK = "***"  # shorter than any secret, so that masking always shortens and ends
SHORTEST_SECRET = 4  # masking "on" or "a" would blank ordinary words, and so betray the secret by what is missing

_NAMES = (
    r"authorization|cookie|tokens?|secrets?|passw(?:or)?d|passwd|credentials?|signature"
    r"|(?:api|routing|integration|service|private|access|auth|app|account)[-_]?keys?"
)
_SECRET_NAME = re.compile(rf"(?i)(?:^|[-_.]|^x)(?:{_NAMES})(?:$|[-_.])|^(?:x-?)?key$")
_HINT = re.compile(rf"(?i){_NAMES}|key=|sig=|://[^/\s]*@")
_IN_ADDRESS = re.compile(r"(?i)([a-z][a-z0-9+.-]*://[^\s/?#:@'\"]*):[^\s/?#'\"]*@")
_IN_HEADER = re.compile(
    r"(?i)\b((?:proxy-)?authorization|(?:set-)?cookie)(b?['\"]?\s*[:=,]\s*(?:b?['\"])?)(?!\*\*\*)[^'\"\r\n]+"
)
_BY_NAME = re.compile(
    rf"(?i)((?<![a-z0-9])(?:[a-z0-9]+[-_.])*(?:{_NAMES})(?:[-_.][a-z0-9]+)*|[?&](?:key|sig))"
    r"(['\"]?\s*[=:]\s*(?:b?['\"])?)(?!\*\*\*)[^\s&'\",;})\]]+"
)


class SecretTooShort(ValueError):
    """A secret of fewer than SHORTEST_SECRET characters cannot be masked by value."""


def is_secret_name(name: str) -> bool:
    """Whether a header, field or query parameter of this name carries a secret."""
    return _SECRET_NAME.search(name) is not None


class Redactor:
    """Known secrets, and the one expression that finds them. Registering and redacting are safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._forms: frozenset[str] = frozenset()
        self._known: re.Pattern[str] | None = None

    def register(self, value: str) -> None:
        """From now on mask `value` in all its forms. Raises SecretTooShort."""
        if len(value) < SHORTEST_SECRET:
            raise SecretTooShort(f"a secret needs at least {SHORTEST_SECRET} characters to be masked")
        with self._lock:
            forms = self._forms | set(_forms(value))
            if forms != self._forms:
                longest_first = sorted(forms, key=lambda form: (-len(form), form))
                self._known = re.compile("|".join(map(re.escape, longest_first)))
                self._forms = forms

    def redact(self, text: str) -> str:
        """`text` without known secrets and without what looks like one."""
        text = self.without_known(text)
        if not _HINT.search(text):
            return text
        text = _IN_ADDRESS.sub(rf"\1:{MASK}@", text)
        text = _IN_HEADER.sub(rf"\1\2{MASK}", text)
        return self.without_known(_BY_NAME.sub(rf"\1\2{MASK}", text))

    def without_known(self, text: str) -> str:
        """`text` without known secrets; repeated, as what stands around a mask may make up a secret anew."""
        known = self._known
        while known and known.search(text):
            text = known.sub(MASK, text)
        return text


def _forms(value: str) -> Iterator[str]:
    """The spellings in which a secret travels; those shorter than a secret may be are left out."""
    yield value
    for spelt in (
        quote(value, safe=""),
        quote(value),
        quote_plus(value),
        json.dumps(value)[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1],
        repr(value)[1:-1],
        *_in_base64(value.encode("utf-8", "surrogatepass")),
    ):
        if len(spelt) >= SHORTEST_SECRET:
            yield spelt


def _in_base64(value: bytes) -> Iterator[str]:
    """What is the same in the base64 of any text that holds `value` (user:password), for its three alignments."""
    for before in range(3):
        coded = base64.b64encode(b"\0" * before + value).decode()
        whole = (before + len(value)) // 3 * 4
        inner = coded[(before * 8 + 5) // 6 : whole]
        if len(inner) >= 6:
            yield inner
            yield inner.replace("+", "-").replace("/", "_")


_default = Redactor()
register_secret = _default.register
redact = _default.redact
without_known_secrets = _default.without_known
