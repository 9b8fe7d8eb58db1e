"""A process of its own that counts into a tally, as a probe worker does: what a test hands it."""

from __future__ import annotations

import multiprocessing
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from typing import Any

from probes.engine.tally import Tally
from probes.result import ProbeResult
from probes.target import Target


class CountingProcess:
    """It has claimed its rows when this returns."""

    def __init__(self, tally: Tally, rows: Mapping[str, int], targets: Sequence[Target], start: str = "spawn") -> None:
        self._pipe, theirs = multiprocessing.Pipe()
        self.process: Any = multiprocessing.get_context(start).Process(
            target=_claim_and_count, args=(tally, rows, targets, theirs)
        )
        self.process.start()
        theirs.close()
        assert self._pipe.poll(60)
        assert self._pipe.recv() == 0

    def count(self, *batch: ProbeResult) -> None:
        """Returns when they are counted."""
        self.begin(*batch)
        assert self._pipe.poll(30)
        assert self._pipe.recv() == len(batch)

    def begin(self, *batch: ProbeResult) -> None:
        self._pipe.send(batch)

    def answered(self) -> bool:
        """Whether what was begun is counted."""
        return self._pipe.poll(0) and self._pipe.recv() > 0

    def end(self) -> None:
        self._pipe.send(None)
        self.process.join(30)
        assert self.process.exitcode == 0


def _claim_and_count(tally: Tally, rows: Mapping[str, int], targets: Sequence[Target], inbox: Connection) -> None:
    """Count batches of results, and answer each with its size, until None comes."""
    for target in targets:
        tally.claim(rows[target.name], target)
    inbox.send(0)
    while (batch := _next(inbox)) is not None:
        for result in batch:
            tally.record(rows[result.target], result)
        inbox.send(len(batch))


def _next(inbox: Connection) -> Sequence[ProbeResult] | None:
    batch: Sequence[ProbeResult] | None = inbox.recv()
    return batch
