"""Label values as they are exposed."""

from __future__ import annotations

from functools import lru_cache

JOB = "monitor"


def printable(text: str) -> str:
    """`text` with what UTF-8 cannot carry replaced: one odd file name must not fail the whole scrape."""
    return text.encode("utf-8", "replace").decode()


def escaped(value: str) -> bytes:
    """What stands between the quotes, in the text format and in OpenMetrics alike."""
    return printable(value).replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"").encode()


@lru_cache(maxsize=1024)
def escaped_once(value: str) -> bytes:
    """The same bytes for the many targets that have the same value."""
    return escaped(value)


def target_labels(target: str, region: str) -> bytes:
    return b'region="%b",target="%b"' % (escaped(region), escaped(target))


def probe_labels(target: str, region: str) -> bytes:
    """Those of `target_labels`, and what blackbox_exporter's dashboards and alerts look for."""
    return b'instance="%b",job="%b",%b' % (escaped(target), escaped(JOB), target_labels(target, region))
