"""Is the answer a good one? Pure; each check gives a Failure or None."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache

from probes.engine.failures import failure
from probes.engine.json_check import Hide, check_json
from probes.engine.response import Answer
from probes.engine.search import SearchTooLong, search
from probes.options import Expect, TlsExpect
from probes.quantity import format_duration
from probes.result import Failure, FailureReason, TlsSession

_CHARSET = re.compile(r"charset\s*=\s*[\"']?([A-Za-z0-9_.:-]{1,40})", re.IGNORECASE)
_TEXT_CODEC = re.compile(
    r"ascii|utf-(8|16|32)(-[bl]e)?|iso8859-\d+|cp\d+|koi8-[ru]|gbk|gb2312|gb18030|big5|shift_jis|euc_(jp|kr)"
)
NOTHING_OF_TLS = TlsExpect()
_TLS_VERSIONS = ("TLS 1.0", "TLS 1.1", "TLS 1.2", "TLS 1.3")


def check(expect: Expect, answer: Answer, hide: Hide = str) -> Failure | None:
    """The first expectation that the answer does not meet. `hide` takes secrets out of what the answer's text shows.

    A body that was cut at the limit is judged by what was read where that decides the matter: a pattern found in it
    is found. Where the part that was not read could have decided otherwise the failure is `too_large`, for neither
    "good" nor "bad" is known. Without an expectation on the body its length is no fault.
    """
    return (
        _check_status(expect, answer)
        or _check_version(expect, answer)
        or _check_headers(expect, answer)
        or _check_packed(expect, answer)
        or _check_size(expect, answer)
        or _check_body(expect, answer)
        or _check_json(expect, answer, hide)
    )


def check_tls(expect: TlsExpect, session: TlsSession | None, at: datetime) -> Failure | None:
    """What the session, None when there was none, misses at the time `at` (aware)."""
    if expect == NOTHING_OF_TLS:
        return None
    if session is None:
        return failure(FailureReason.VERSION, "the answer came without TLS")
    if expect.version is not None:
        oldest = _TLS_VERSIONS.index(f"TLS {expect.version}")
        if session.version not in _TLS_VERSIONS[oldest:]:
            return failure(FailureReason.VERSION, f"{session.version}, expected TLS {expect.version} or newer")
    if expect.expiry is not None and session.not_after - at < expect.expiry:
        ends = f"{session.not_after:%Y-%m-%d %H:%M} UTC"
        detail = f"the certificate ends at {ends}, expected it to last {format_duration(expect.expiry)} more"
        return failure(FailureReason.CERTIFICATE, detail)
    return None


def check_sessions(expect: TlsExpect, sessions: Iterable[TlsSession | None], at: datetime) -> Failure | None:
    """Of several, as with redirects, each must be as expected."""
    return next(filter(None, (check_tls(expect, session, at) for session in sessions)), None)


def _check_status(expect: Expect, answer: Answer) -> Failure | None:
    good = answer.status_code in expect.status if expect.status else 200 <= answer.status_code < 300
    if good:
        return None
    wanted = " or ".join(map(str, expect.status)) or "2xx"
    return failure(FailureReason.STATUS, f"status {answer.status_code}, expected {wanted}")


def _check_version(expect: Expect, answer: Answer) -> Failure | None:
    version = "2" if answer.version == "2.0" else answer.version
    if not expect.http_version or version in expect.http_version:
        return None
    return failure(FailureReason.VERSION, f"HTTP/{version}, expected {' or '.join(expect.http_version)}")


def _check_headers(expect: Expect, answer: Answer) -> Failure | None:
    """A header that is there several times has a value that matches if one of them does. No value is shown: a cookie
    or a token may stand in it."""
    for wanted, patterns in ((True, expect.headers), (False, expect.not_headers)):
        for name, pattern in patterns.items():
            values = [value.decode("latin-1") for value in answer.values(name.lower().encode())]
            if not values:
                if wanted:
                    return failure(FailureReason.HEADER, f"there is no header {name}")
                continue
            try:
                matches = any(search(pattern, value) for value in values)
            except SearchTooLong as stopped:
                return failure(FailureReason.HEADER, _too_long(f"the header {name}", pattern, stopped))
            if matches is not wanted:
                problem = "does not match" if wanted else "matches"
                return failure(FailureReason.HEADER, f"the header {name} {problem} {pattern!r}")
    return None


def _check_packed(expect: Expect, answer: Answer) -> Failure | None:
    """What cannot be unpacked cannot be judged; it stands for nothing else, so that is no good answer."""
    of_the_body = (expect.body.regex, expect.body.not_regex, expect.size.min, expect.size.max)
    if not answer.packed or (not expect.json_ and of_the_body == (None, None, None, None)):
        return None
    return failure(
        FailureReason.BODY, f"the body of {_size(answer)} came compressed, {answer.packed!r}, and cannot be unpacked"
    )


def _check_size(expect: Expect, answer: Answer) -> Failure | None:
    size, size_bytes = expect.size, len(answer.body)
    if size.max is not None and size_bytes > size.max:
        return failure(FailureReason.TOO_LARGE, f"the body has {_size(answer)}, expected {size.max} or less")
    if size.max is not None and answer.cut:
        return failure(FailureReason.TOO_LARGE, f"the body is longer than the {_size(answer)} that are read of it")
    if size.min is not None and size_bytes < size.min:
        reason = FailureReason.TOO_LARGE if answer.cut else FailureReason.BODY
        more = " were read and there is more" if answer.cut else ""
        return failure(reason, f"the body has {_size(answer)}{more}, expected {size.min} or more")
    return None


def _check_body(expect: Expect, answer: Answer) -> Failure | None:
    if expect.body.regex is None and expect.body.not_regex is None:
        return None
    text = body_text(answer)
    for pattern, wanted in ((expect.body.regex, True), (expect.body.not_regex, False)):
        if pattern is None:
            continue
        try:
            found = search(pattern, text)
        except SearchTooLong as stopped:
            return failure(FailureReason.BODY, _too_long("the body", pattern, stopped))
        if not found and answer.cut:
            return failure(
                FailureReason.TOO_LARGE, f"{pattern!r} is not in the first {_size(answer)}, and the body is longer"
            )
        if found is not wanted:
            problem = "does not match" if wanted else "matches"
            return failure(FailureReason.BODY, f"the body of {_size(answer)} {problem} {pattern!r}")
    return None


def _check_json(expect: Expect, answer: Answer, hide: Hide) -> Failure | None:
    if not expect.json_:
        return None
    if answer.cut:
        return failure(
            FailureReason.TOO_LARGE, f"the body is longer than the first {_size(answer)}: it cannot be read as JSON"
        )
    try:
        document = json.loads(answer.body)
    except (ValueError, RecursionError):
        return failure(FailureReason.JSON, f"the body of {_size(answer)} is not JSON")
    return check_json(expect.json_, document, hide)


def _too_long(what: str, pattern: str, stopped: SearchTooLong) -> str:
    return f"searching {what} for {pattern!r} {stopped}; simplify the pattern"


def _size(answer: Answer) -> str:
    return f"{len(answer.body)} bytes"


def body_text(answer: Answer) -> str:
    """The body as text: by the charset that the answer names, else UTF-8; what does not decode is replaced."""
    named = _CHARSET.search(b", ".join(answer.values(b"content-type")).decode("latin-1"))
    return answer.body.decode(_codec(named[1]) if named else "utf-8", "replace")


@lru_cache(maxsize=256)
def _codec(charset: str) -> str:
    """Python's name of it. Not everything that Python calls a codec: some take quadratic time or refuse to replace."""
    try:
        name = codecs.lookup(charset).name
    except LookupError:
        return "utf-8"
    return name if _TEXT_CODEC.fullmatch(name) else "utf-8"
