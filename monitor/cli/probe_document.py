"""What `monitor probe` saw as JSON: documented in docs/probes.md, versioned, only ever added to."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, fields, is_dataclass
from datetime import UTC, datetime
from typing import Any

from monitor.cli.probe_count import Tally, quantile
from monitor.cli.probe_run import Seen
from monitor.redact import redact_value
from probes.result import TlsSession

VERSION = 1
Json = dict[str, Any]
# What every result has is told by name; every other field is a section of facts, such as `tls` or `http`.
_COMMON = {
    "target",
    "region",
    "kind",
    "started_at",
    "monotonic_seconds",
    "duration_seconds",
    "phases",
    "failure",
    "late_seconds",
    "clock",
    "suspect",
    "address",
}


class Document:
    """One document when everything is done."""

    def __init__(self, print_json: Callable[[object], None], debug: bool) -> None:
        self._print, self._debug = print_json, debug
        self._results: list[Json] = []
        self._tallies: dict[str, Tally] = {}

    def show(self, seen: Seen) -> None:
        self._tallies.setdefault(seen.target.name, Tally()).add(seen.result)
        self._results.append(document(seen, steps=self._debug))

    def close(self) -> None:
        summaries = [_summary(name, tally) for name, tally in self._tallies.items()]
        self._print({"version": VERSION, "results": self._results, "summaries": summaries})


class Lines:
    """A line of JSON for each result, as it comes."""

    def __init__(self, print_line: Callable[[str], None], debug: bool) -> None:
        self._print, self._debug = print_line, debug

    def show(self, seen: Seen) -> None:
        self._print(json.dumps({"version": VERSION, **document(seen, steps=self._debug)}))

    def close(self) -> None:
        """Every line was written when its result came."""


def document(seen: Seen, *, steps: bool) -> Json:
    result, failure = seen.result, seen.result.failure
    told = {
        "target": result.target,
        "url": seen.target.url,
        "kind": result.kind,
        "region": result.region,
        "started_at": result.started_at.isoformat(),
        "ok": result.ok,
        "reason": failure.reason if failure else None,
        "detail": failure.detail if failure else None,
        "duration_seconds": result.duration_seconds,
        "phases": dict(result.phases),
        "waterfall": [
            {
                "phase": span.phase,
                "offset_seconds": span.since_seconds - seen.began_seconds,
                "seconds": span.until_seconds - span.since_seconds,
            }
            for span in seen.spans
        ],
        "clock": result.clock,
        "suspect": result.suspect,
        "address": result.address,
        **{field.name: _facts(getattr(result, field.name)) for field in fields(result) if field.name not in _COMMON},
        "steps": [
            {"offset_seconds": step.at_seconds - seen.began_seconds, "what": step.what, "detail": step.told()}
            for step in sorted(seen.steps, key=lambda step: step.at_seconds)
        ]
        if steps
        else None,
    }
    redacted: Json = redact_value(told)
    return redacted


def _facts(value: Any) -> Any:
    """A section of facts that some kinds have and others have not."""
    if isinstance(value, TlsSession):
        days = (value.not_after - datetime.now(UTC)).days
        return {**asdict(value), "not_after": value.not_after.isoformat(), "days_left": days}
    if isinstance(value, tuple):
        return [_facts(each) for each in value]
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else value


def _summary(name: str, tally: Tally) -> Json:
    good = tally.good_seconds()
    return {
        "target": name,
        "probes": tally.probes,
        "failed": sum(tally.failed.values()),
        "reasons": tally.failed,
        "min_seconds": good[0] if good else None,
        "p50_seconds": quantile(good, 0.5) if good else None,
        "p99_seconds": quantile(good, 0.99) if good else None,
        "max_seconds": good[-1] if good else None,
    }
