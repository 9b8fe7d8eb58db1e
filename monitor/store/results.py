"""Raw results: written in batches, read by people, counted into minutes, kept for a day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

import sqlalchemy as sa

from monitor.store.flags import KERNEL_CLOCK, REPROBE, SUSPECT, flags_of
from monitor.store.grades import GradeRows
from monitor.store.series import SeriesRows, series_key
from monitor.store.tables import results, series
from monitor.store.types import clean
from probes.result import Clock, ProbeResult

DETAIL_CHARACTERS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class RawResult:
    """A probe's result as it is kept. `reason` is None when the probe succeeded; the rest as in ProbeResult."""

    target: str
    region: str
    kind: str
    started_at: datetime
    duration_seconds: float
    late_seconds: float
    phases: dict[str, float]
    reason: str | None
    detail: str | None
    status_code: int | None
    address: str | None
    clock: Clock
    reprobe: bool
    suspect: bool


_PLAIN = tuple(name for name in RawResult.__slots__ if name not in {"clock", "reprobe", "suspect"})


def _raw(row: sa.RowMapping) -> RawResult:
    flags = row["flags"]
    return RawResult(
        **{name: row[name] for name in _PLAIN},
        clock=Clock.KERNEL if flags & KERNEL_CLOCK else Clock.USER,
        reprobe=bool(flags & REPROBE),
        suspect=bool(flags & SUSPECT),
    )


def _phases(result: ProbeResult) -> str:
    """As JSON, to the microsecond, in the order in which they were reached."""
    return "{" + ",".join([f'"{phase}":{seconds:.6f}' for phase, seconds in result.phases]) + "}"


def _row(at: Any, series_id: int, result: ProbeResult) -> tuple[Any, ...]:
    """What the columns of the table take, in their order."""
    failure, http, address = result.failure, result.http, result.address
    return (
        at,
        series_id,
        result.duration_seconds,
        result.late_seconds,
        _phases(result),
        None if failure is None else failure.reason.value,
        None if failure is None else clean(failure.detail[:DETAIL_CHARACTERS]),
        None if http is None else http.status_code,
        None if address is None else clean(address),
        flags_of(result),
    )


class ResultRows(GradeRows, SeriesRows):
    async def write_results(self, batch: Sequence[ProbeResult]) -> None:
        """Keep results, and the grades among them, in one transaction. Writing a result twice is writing it once.

        Of a stripped result there is nothing to keep.
        """
        kept = [result for result in batch if not result.stripped]
        if not kept:
            return
        keys = [series_key(result) for result in kept]
        ids = await self._series_ids(set(keys))
        time_of = self._bind_time
        rows = [_row(time_of(result.started_at), ids[key], result) for key, result in zip(keys, kept, strict=True)]
        async with self._write(serialised=False) as connection:
            await connection.exec_driver_sql(self._insert_results, rows)
            for result in kept:
                if result.grade is not None:
                    await self._save_grade(connection, ids[series_key(result)], result.started_at, result.grade)

    @cached_property
    def _insert_results(self) -> str:
        return self._compiled(self._insert(results).on_conflict_do_nothing())

    async def results(
        self, *, target: str | None = None, since: datetime | None = None, limit: int = 100
    ) -> list[RawResult]:
        """Newest first."""
        query = sa.select(series.c.target, series.c.region, series.c.kind, results)
        query = query.join(series, series.c.id == results.c.series_id)
        if target is not None:
            query = query.where(series.c.target == target)
        if since is not None:
            query = query.where(results.c.started_at >= since)
        query = query.order_by(results.c.started_at.desc(), results.c.series_id).limit(limit)
        async with self._read() as connection:
            rows = (await connection.execute(query)).mappings().all()
        return [_raw(row) for row in rows]
