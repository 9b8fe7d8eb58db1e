"""Results in 30 bytes each: what rules judge by, for when there is no room for more."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

from probes.result import Failure, FailureReason, ProbeResult

_RECORD = struct.Struct("=IddfBB")
_REASONS = tuple(FailureReason)
_CODE_OF = {reason: number for number, reason in enumerate(_REASONS, start=1)}  # 0: the probe succeeded
_SUSPECT, _REPROBE = 1, 2
DETAIL = "the prober had no room to keep what it saw"


class StrippedResults:
    """First in, first out. What a result says of time, outcome and reason is kept; its facts and words are lost."""

    def __init__(self, capacity: int) -> None:
        self._capacity_bytes = capacity * _RECORD.size
        self._records = bytearray()
        self._models: list[ProbeResult] = []  # of each target and kind the first, whose records refer to it
        self._model_of: dict[tuple[str, str], int] = {}

    def __len__(self) -> int:
        return len(self._records) // _RECORD.size

    def add(self, result: ProbeResult) -> bool:
        """False when the oldest had to go for it."""
        key = (result.target, result.kind)
        model = self._model_of.get(key)
        if model is None:
            model = self._model_of[key] = len(self._models)
            self._models.append(_model(result))
        self._records += _RECORD.pack(
            model,
            result.started_at.timestamp(),
            result.monotonic_seconds,
            result.duration_seconds,
            0 if result.failure is None else _CODE_OF[result.failure.reason],
            _SUSPECT * result.suspect | _REPROBE * result.reprobe,
        )
        full = len(self._records) > self._capacity_bytes
        if full:
            del self._records[: _RECORD.size]
        return not full

    def take(self, count: int) -> tuple[ProbeResult, ...]:
        """The oldest, at most so many of them."""
        end = count * _RECORD.size
        taken = tuple(self._results(bytes(self._records[:end])))
        del self._records[:end]
        if not self._records:
            self._models.clear()
            self._model_of.clear()
        return taken

    def _results(self, records: bytes) -> Iterator[ProbeResult]:
        for model, started_at, monotonic_seconds, duration_seconds, code, flags in _RECORD.iter_unpack(records):
            yield replace(
                self._models[model],
                started_at=datetime.fromtimestamp(started_at, UTC),
                monotonic_seconds=monotonic_seconds,
                duration_seconds=duration_seconds,
                failure=Failure(_REASONS[code - 1], DETAIL) if code else None,
                suspect=bool(flags & _SUSPECT),
                reprobe=bool(flags & _REPROBE),
            )


def _model(result: ProbeResult) -> ProbeResult:
    """None of its facts: those of its successors would not be they."""
    return ProbeResult(
        target=result.target,
        region=result.region,
        kind=result.kind,
        started_at=result.started_at,
        monotonic_seconds=result.monotonic_seconds,
        duration_seconds=result.duration_seconds,
        stripped=True,
    )
