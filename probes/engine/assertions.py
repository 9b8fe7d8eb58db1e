"""Is the answer a good one? Pure; each check gives a Failure or None."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from probes.engine.failures import failure
from probes.engine.response import Answer
from probes.engine.search import SEARCH_CPU_SECONDS, SearchTooLong, search
from probes.options import Expect
from probes.result import Failure, FailureReason

MAX_SHOWN_CHARACTERS = 80
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([A-Za-z0-9_.:-]{1,40})", re.IGNORECASE)
_TEXT_CODEC = re.compile(
    r"ascii|utf-(8|16|32)(-[bl]e)?|iso8859-\d+|cp\d+|koi8-[ru]|gbk|gb2312|gb18030|big5|shift_jis|euc_(jp|kr)"
)


def check(expect: Expect, answer: Answer, hide: Callable[[str], str] = str) -> Failure | None:
    """The first expectation that the answer does not meet. `hide` takes secrets out of what the answer's text shows.

    A body that was cut at the limit is judged by what was read where that decides the matter: a pattern found in it
    is found. Where the part that was not read could have decided otherwise the failure is `too_large`, for neither
    "good" nor "bad" is known. Without an expectation on the body its length is no fault.
    """
    return _check_status(expect, answer) or _check_body(expect, answer) or _check_json(expect, answer, hide)


def _check_status(expect: Expect, answer: Answer) -> Failure | None:
    good = answer.status_code in expect.status if expect.status else 200 <= answer.status_code < 300
    if good:
        return None
    wanted = " or ".join(map(str, expect.status)) or "2xx"
    return failure(FailureReason.STATUS, f"status {answer.status_code}, expected {wanted}")


def _check_body(expect: Expect, answer: Answer) -> Failure | None:
    if expect.body.regex is None and expect.body.not_regex is None:
        return None
    text = body_text(answer)
    for pattern, wanted in ((expect.body.regex, True), (expect.body.not_regex, False)):
        if pattern is None:
            continue
        try:
            found = search(pattern, text)
        except SearchTooLong:
            problem = (
                f"searching the body for {pattern!r} took more than {SEARCH_CPU_SECONDS} s of CPU; simplify the pattern"
            )
            return failure(FailureReason.BODY, problem)
        if not found and answer.cut:
            return failure(
                FailureReason.TOO_LARGE, f"{pattern!r} is not in the first {_size(answer)}, and the body is longer"
            )
        if found is not wanted:
            problem = "does not match" if wanted else "matches"
            return failure(FailureReason.BODY, f"the body of {_size(answer)} {problem} {pattern!r}{_encoded(answer)}")
    return None


def _check_json(expect: Expect, answer: Answer, hide: Callable[[str], str]) -> Failure | None:
    if not expect.json_:
        return None
    if answer.cut:
        return failure(
            FailureReason.TOO_LARGE, f"the body is longer than the first {_size(answer)}: it cannot be read as JSON"
        )
    try:
        document = json.loads(answer.body)
    except (ValueError, RecursionError):
        return failure(FailureReason.JSON, f"the body of {_size(answer)} is not JSON{_encoded(answer)}")
    for path, wanted in expect.json_.items():
        try:
            value = at_path(document, path)
        except LookupError:
            return failure(FailureReason.JSON, f"{path} is not there, expected {_shown(wanted)}")
        if not _same(value, wanted):
            return failure(FailureReason.JSON, f"{path} is {_shown(value, hide)}, expected {_shown(wanted)}")
    return None


def at_path(document: Any, path: str) -> Any:
    """`checks.0.status` in a JSON document. Raises LookupError."""
    value = document
    for step in path.split("."):
        if isinstance(value, dict):
            value = value[step]
        elif isinstance(value, list) and step.isdecimal() and len(step) < 10:
            value = value[int(step)]
        else:
            raise LookupError(step)
    return value


def _same(value: Any, wanted: str | int | float | bool | None) -> bool:
    """As JSON compares: 1 is 1.0, but neither is true."""
    return isinstance(value, bool) is isinstance(wanted, bool) and bool(value == wanted)


def _shown(value: Any, hide: Callable[[str], str] = str) -> str:
    if isinstance(value, dict | list):
        return f"a {type(value).__name__}"
    text = json.dumps(hide(value) if isinstance(value, str) else value)  # before it is cut: half a secret is one, too
    return text if len(text) <= MAX_SHOWN_CHARACTERS else text[:MAX_SHOWN_CHARACTERS] + "..."


def _size(answer: Answer) -> str:
    return f"{len(answer.body)} bytes"


def _header(answer: Answer, name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in answer.headers if key.lower() == name), "")


def _encoded(answer: Answer) -> str:
    encoding = _header(answer, b"content-encoding")
    return f" (it came compressed, {encoding[:20]!r}, though that was not asked for)" if encoding else ""


def body_text(answer: Answer) -> str:
    """The body as text: by the charset that the answer names, else UTF-8; what does not decode is replaced."""
    named = _CHARSET.search(_header(answer, b"content-type"))
    return answer.body.decode(_codec(named[1]) if named else "utf-8", "replace")


@lru_cache(maxsize=256)
def _codec(charset: str) -> str:
    """Python's name of it. Not everything that Python calls a codec: some take quadratic time or refuse to replace."""
    try:
        name = codecs.lookup(charset).name
    except LookupError:
        return "utf-8"
    return name if _TEXT_CODEC.fullmatch(name) else "utf-8"
