"""JSONPath (RFC 9535) over documents that a server sent. Its regular expressions are Python's own, which a bound of CPU
time can interrupt."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from jsonpath import CompoundJSONPath, JSONPath, JSONPathEnvironment, JSONPathError

MAX_PATH_CHARACTERS = 500  # a step is a generator inside another one: thousands overflow the stack
_ENVIRONMENT = JSONPathEnvironment(strict=True)


@lru_cache(maxsize=16384)
def compiled(path: str) -> JSONPath | CompoundJSONPath:
    """Raises ValueError when it is no JSONPath."""
    if len(path) > MAX_PATH_CHARACTERS:
        raise ValueError(f"it is longer than {MAX_PATH_CHARACTERS} characters")
    try:
        return _ENVIRONMENT.compile(path)
    except (JSONPathError, RecursionError) as error:
        raise ValueError(str(error).partition("\n")[0]) from None


def values_at(document: Any, path: str) -> Iterator[Any]:
    """What `path` selects, as it is found. Raises LookupError when the document is nested too deeply for it."""
    if isinstance(document, str):  # which the library would read as JSON once more
        yield from [document] if path == "$" else []
        return
    try:
        for match in compiled(path).finditer(document):
            yield match.value
    except (JSONPathError, RecursionError) as error:
        raise LookupError(str(error).partition("\n")[0]) from None
