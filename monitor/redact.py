"""Keeps secrets out of every text that leaves the process.

Two nets: secrets known by value (`register_secret`, called as settings resolve them) in the forms in which they travel,
and texts that look like a secret by name or place (Authorization, ?token=, https://user:password@host).
"""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Iterator, MutableMapping
from datetime import date, timedelta
from enum import Enum
from pathlib import PurePath
from typing import Any
from urllib.parse import quote, quote_plus

MASK = "***"  # shorter than any secret, so that masking always shortens and comes to an end
SHORTEST_SECRET = 4  # masking "on" would blank every word with "on" in it, and so tell the secret by what is missing

_NAMES = (
    r"authorization|cookie|tokens?|secrets?|passw(?:or)?d|passphrase|credentials?|signature"
    r"|(?:api|routing|integration|service|private|access|auth|app|account)[-_]?keys?"
)
_SECRET_NAME = re.compile(rf"(?i)(?:^|[-_.])(?:{_NAMES})(?:$|[-_.])")
SECRET_HEADER_WORDS = ("authorization", "cookie", "token", "secret", "key", "passw", "credential", "signature")
_SECRET_HEADER = re.compile("(?i)" + "|".join(SECRET_HEADER_WORDS))
_HINT = re.compile(rf"(?i){_NAMES}|[?&](?:key|sig)=|://[^/\s]*@")
# What stands between name and value in headers, reprs and JSON; possessive, so that a mask is not masked again.
_BETWEEN = r"(['\"]?+\s*+[:=]\s*+(?:b?['\"])?+|['\"]\s*+,\s*+b?['\"])"
_IN_ADDRESS = re.compile(r"(?i)\b([a-z][a-z0-9+.-]{0,20}://)[^\s/?#'\"]*@")
_IN_HEADER = re.compile(rf"(?i)\b((?:proxy-)?authorization|(?:set-)?cookie){_BETWEEN}(?!\*\*\*)[^'\"\r\n]+")
_BY_NAME = re.compile(
    rf"(?i)((?<![a-z0-9])(?:[a-z0-9]{{1,40}}[-_.]){{0,4}}(?:{_NAMES})(?:[-_.][a-z0-9]{{1,40}}){{0,4}}|[?&](?:key|sig))"
    rf"{_BETWEEN}(?!\*\*\*)(?:(?<=[\"'])[^'\"\r\n]+|[^\s&'\",;}})\]]+)"
)


class SecretTooShort(ValueError):
    """A secret of fewer than SHORTEST_SECRET characters cannot be masked by value."""


def is_secret_name(name: str) -> bool:
    """Whether what goes by this name (a key of a log line, a parameter of a query) is a secret. `dedup_key` is none."""
    return _SECRET_NAME.search(name) is not None


def is_secret_header(name: str) -> bool:
    """Whether a header of this name may carry a secret; rather once too often."""
    return _SECRET_HEADER.search(name) is not None


class Redactor:
    """Known secrets and the one expression that finds them. Safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._forms: frozenset[str] = frozenset()
        self._known: re.Pattern[str] | None = None

    def register(self, value: str) -> None:
        """Masks `value` from now on, in all its forms. Raises SecretTooShort."""
        if len(value) < SHORTEST_SECRET:
            raise SecretTooShort(f"a secret needs at least {SHORTEST_SECRET} characters to be masked")
        with self._lock:
            forms = self._forms.union(_forms(value))
            if forms != self._forms:
                longest_first = sorted(forms, key=lambda form: (-len(form), form))
                self._known = re.compile("|".join(map(re.escape, longest_first)))
                self._forms = forms

    def redact(self, text: str) -> str:
        """`text` without known secrets and without what looks like one."""
        text = self.without_known(text)
        if not _HINT.search(text):
            return text
        text = _IN_ADDRESS.sub(rf"\1{MASK}@", text)
        text = _IN_HEADER.sub(rf"\1\2{MASK}", text)
        return self.without_known(_BY_NAME.sub(rf"\1\2{MASK}", text))

    def without_known(self, text: str) -> str:
        """`text` without known secrets; again and again, as a mask and its neighbours may spell a secret anew."""
        known = self._known
        while known and known.search(text):
            text = known.sub(MASK, text)
        return text

    def redact_value(self, value: Any, depth: int = 8) -> Any:
        """Plain data with every text in it redacted, keys too; what stands under a secret's name is masked whole.

        What is not plain data becomes its redacted repr, and so does what is nested deeper than `depth`.
        """
        if isinstance(value, str):
            return self.redact(value)
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, dict) and depth:
            return {self.redact(str(key)): self._named(key, item, depth - 1) for key, item in value.items()}
        if isinstance(value, list | tuple | set | frozenset) and depth:
            return [self.redact_value(item, depth - 1) for item in value]
        text = _said(value)
        redacted = self.redact(text)
        return value if redacted == text and isinstance(value, int | float) else redacted

    def _named(self, key: Any, value: Any, depth: int) -> Any:
        if value is not None and isinstance(key, str) and is_secret_name(key):
            return MASK
        return self.redact_value(value, depth)

    def redact_event(self, _logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """A structlog processor; the last before the renderer, when exceptions are text already."""
        redacted: MutableMapping[str, Any] = self.redact_value(dict(event))
        return redacted


def _said(value: Any) -> str:
    try:
        return str(value) if isinstance(value, date | timedelta | PurePath | Enum) else repr(value)
    except Exception as error:  # a repr is anybody's code, and a log line must never end what it tells of
        return f"<{type(value).__name__} without a repr: {type(error).__name__}>"


def _forms(value: str) -> Iterator[str]:
    """The spellings in which a secret travels."""
    yield value
    spellings = (
        quote(value, safe="", errors="replace"),
        quote(value, errors="replace"),
        quote_plus(value, errors="replace"),
        json.dumps(value)[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1],
        repr(value)[1:-1],
        ascii(value)[1:-1],
        *_in_base64(value.encode("utf-8", "replace")),
    )
    yield from (spelling for spelling in spellings if len(spelling) >= SHORTEST_SECRET)


def _in_base64(value: bytes) -> Iterator[str]:
    """What is the same in the base64 of any text that holds `value`, such as user:password: one for each alignment."""
    for before in range(3):
        coded = base64.b64encode(bytes(before) + value).decode()
        inner = coded[(before * 8 + 5) // 6 : (before + len(value)) * 8 // 6]
        if len(inner) >= 6:  # shorter ones turn up by chance
            yield inner
            yield inner.replace("+", "-").replace("/", "_")


_default = Redactor()
register_secret = _default.register
redact = _default.redact
redact_event = _default.redact_event
redact_value = _default.redact_value
without_known_secrets = _default.without_known
