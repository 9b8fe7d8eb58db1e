"""A scrape, piece by piece: the text format 0.0.4 or OpenMetrics 1.0 of everything about targets.

The samples of what we have (counters, gauges, histograms) look the same in both; what stands above them differs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from dashboards.catalogue import PROBE_METRICS, TARGET_METRICS, Metric
from monitor.metrics.block import Block, Moment
from monitor.metrics.counted import TARGET
from monitor.metrics.newest import NEWEST

METRICS = PROBE_METRICS + TARGET_METRICS
_RENDERS = dict(NEWEST + TARGET)


def _head(metric: Metric, *, openmetrics: bool) -> bytes:
    name, text = metric.name, metric.help.replace("\\", r"\\").replace("\n", r"\n")
    if openmetrics:
        name, text = name.removesuffix("_total"), text.replace('"', r"\"")
    return f"# HELP {name} {text}\n# TYPE {name} {metric.type}\n".encode()


_HEADS: Mapping[bool, Mapping[str, bytes]] = MappingProxyType(
    {way: {metric.name: _head(metric, openmetrics=way) for metric in METRICS} for way in (False, True)}
)


def exposition(blocks: Sequence[Block], monotonic_seconds: float, *, openmetrics: bool) -> Iterator[bytes]:
    """Without OpenMetrics' `# EOF`: the daemon's own metrics follow."""
    moments = [Moment(block, monotonic_seconds) for block in blocks]
    for metric in METRICS:
        yield _HEADS[openmetrics][metric.name]
        render = _RENDERS[metric.name]
        for moment in moments:
            yield from render(moment)
