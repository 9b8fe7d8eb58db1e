"""`monitor_*`: what is counted of a target, and what is known of it. One row a metric."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import accumulate
from operator import add, attrgetter

from dashboards.catalogue import LATENCY_BUCKETS_SECONDS
from monitor.live import TargetState
from monitor.metrics import settled
from monitor.metrics.block import Moment
from monitor.metrics.labels import escaped
from monitor.metrics.lines import COUNT, SECONDS, SUM, TIMESTAMP, Line, Render, is_now, join, line
from probes.engine.tally_columns import COUNTED, FAILURE, LATENCY_OBJECTIVES, NEVER, SUCCESS
from probes.result import AddressResult, FailureReason, Phase


def always(name: str, *lines: Line) -> tuple[str, Render]:
    parts = [line.of(name) for line in lines]

    def render(moment: Moment) -> Iterable[bytes]:
        return join(moment.block.labels, [(text, values(moment)) for text, values in parts])

    return name, render


def once(name: str, *lines: Line) -> tuple[str, Render]:
    """Each line for those targets whose value is not 0: what never happened to a target has no series."""
    parts = [line.of(name) for line in lines]

    def render(moment: Moment) -> Iterable[bytes]:
        for text, read in parts:
            values = read(moment)
            if any(values):
                yield from join(moment.block.labels, [(text, values)], None if all(values) else values)

    return name, render


def histogram(name: str) -> tuple[str, Render]:
    """Cumulative buckets; the count is the last of them, so that they never disagree."""
    les = [*(f"{bound}" for bound in LATENCY_BUCKETS_SECONDS), "+Inf"]
    buckets = [f'{name}_bucket{{%b,le="{le}"}} %d\n'.encode() for le in les]
    total, count = f"{name}_sum{{%b}} {SUM}\n".encode(), f"{name}_count{{%b}} %d\n".encode()

    def render(moment: Moment) -> Iterable[bytes]:
        seconds = moment.column("sum_seconds")
        counts = [moment.column(f"bucket_{number}") for number in range(len(les))]
        cumulative = list(accumulate(counts, lambda below, more: list(map(add, below, more))))
        parts = [*zip(buckets, cumulative, strict=True), (total, seconds), (count, cumulative[-1])]
        return join(moment.block.labels, parts)

    return name, render


def objectives(name: str) -> tuple[str, Render]:
    """All probes for availability; for latency those that succeeded, as they were judged when they were counted."""
    columns = {"availability": ("success", "failure")} | {
        slo: (f"good_{slo}", f"bad_{slo}") for slo in LATENCY_OBJECTIVES
    }
    parts = {
        slo: [line(good, slo=slo, verdict="good").of(name), line(bad, slo=slo, verdict="bad").of(name)]
        for slo, (good, bad) in columns.items()
    }

    def render(moment: Moment) -> Iterable[bytes]:
        for slo, where in moment.block.objectives.items():
            yield from join(moment.block.labels, [(text, values(moment)) for text, values in parts[slo]], where)

    return name, render


def state(name: str) -> tuple[str, Render]:
    shown = {TargetState.OK: SUCCESS, TargetState.UNKNOWN: NEVER, TargetState.FAILING: FAILURE}
    return always(name, *(line(is_now(outcome), state=state) for state, outcome in shown.items()))


def of_addresses(name: str, form: str, read: Callable[[AddressResult], float]) -> tuple[str, Render]:
    """Few targets have more than one: line by line."""
    text = f'{name}{{%b,address="%b"}} {form}\n'.encode()

    def render(moment: Moment) -> Iterable[bytes]:
        for outcome, one in zip(moment.outcomes, moment.block.series, strict=True):
            if outcome:
                for each in one.addresses:
                    yield text % (one.labels, escaped(each.ip), read(each))

    return name, render


def as_settled(name: str) -> tuple[str, Render]:
    return name, lambda moment: [some.lines(name) for some in moment.block.settled]


TARGET = (
    histogram("monitor_probe_duration_seconds"),
    once("monitor_probe_phase_seconds_total", *(line(f"sum_{phase}", SUM, phase=phase) for phase in Phase)),
    of_addresses("monitor_probe_address_success", COUNT, attrgetter("ok")),
    of_addresses("monitor_probe_address_duration_seconds", SECONDS, attrgetter("duration_seconds")),
    always("monitor_probes_total", *(line(name, outcome=name) for name in COUNTED.values())),
    once("monitor_probe_failures_total", *(line(f"failed_{reason}", reason=reason) for reason in FailureReason)),
    once("monitor_probes_suspect_total", line("suspect")),
    once("monitor_target_late_probes_total", line("late")),
    once("monitor_last_probe_timestamp_seconds", line("started_at", TIMESTAMP)),
    state("monitor_target_state"),
    objectives("monitor_slo_probes_total"),
    once("monitor_certificate_expiry_timestamp_seconds", line("not_after", TIMESTAMP)),
    *map(as_settled, settled.READS),
)
"""One row a metric of catalogue.TARGET_METRICS."""
