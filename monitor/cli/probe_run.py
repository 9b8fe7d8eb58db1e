"""Probes in this process, over the daemon's own code. Nothing is shown while one runs: that would delay its clocks."""

from __future__ import annotations

import asyncio
import gc
import math
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from probes import load, warm_up
from probes.context import ProbeContext
from probes.engine.exchange import Span, Step
from probes.engine.loop import loop_factory
from probes.result import ProbeResult
from probes.target import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Rounds:
    """`count` rounds, None: until Ctrl-C; in each every target is probed once, `at_once` of them together."""

    targets: Sequence[Target]
    region: str
    count: int | None
    every_seconds: float
    at_once: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One probe of one target; spans and steps are on the clock on which it began at `began_seconds`."""

    target: Target
    result: ProbeResult
    began_seconds: float
    spans: Sequence[Span]
    steps: Sequence[Step]


def run_rounds(rounds: Rounds, show: Callable[[Seen], None]) -> bool | None:
    """Whether a probe failed; None when Ctrl-C came before any was done. `show` gets each in the order of the targets.
    Ctrl-C ends it: what was probed is shown."""
    outcomes: set[bool] = set()

    def took(seen: Seen) -> None:
        outcomes.add(seen.result.ok)
        show(seen)

    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(_rounds(rounds, took))
    return False in outcomes if outcomes else None


async def _rounds(rounds: Rounds, show: Callable[[Seen], None]) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, stop.set)
    for target in rounds.targets:
        warm_up(target)
    gc.collect()
    gc.freeze()  # as in a worker: what is here stays, and the collector need not look through it during a probe
    due, done = time.monotonic(), 0
    while not stop.is_set():
        for start in range(0, len(rounds.targets), rounds.at_once):
            if stop.is_set():
                return
            for seen in await _together(rounds.targets[start : start + rounds.at_once], rounds.region, stop):
                show(seen)
        done += 1
        if done == rounds.count:
            return
        due += rounds.every_seconds * max(1, math.ceil((time.monotonic() - due) / rounds.every_seconds))
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), max(0.0, due - time.monotonic()))


async def _together(targets: Sequence[Target], region: str, stop: asyncio.Event) -> list[Seen]:
    """What was seen of each; when it is to stop, of those that were done by then."""
    probing = [asyncio.create_task(_probe(target, region)) for target in targets]
    stopping = asyncio.create_task(stop.wait())
    stopping.add_done_callback(lambda _: [task.cancel() for task in probing])
    try:
        await asyncio.wait(probing)
    finally:
        stopping.cancel()
    return [task.result() for task in probing if not task.cancelled()]


async def _probe(target: Target, region: str) -> Seen:
    spans: list[Span] = []
    steps: list[Step] = []
    result = await load(target.kind)(target, ProbeContext(region=region, steps=steps, spans=spans))
    began = min((one.at_seconds for one in steps), default=result.monotonic_seconds)
    return Seen(target=target, result=result, began_seconds=began, spans=spans, steps=steps)
