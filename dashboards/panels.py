"""What a dashboard shows, as data: queries and panels, before they become Grafana's JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

GREEN, ORANGE, RED = "green", "orange", "red"


@dataclass(frozen=True, slots=True)
class Query:
    """PromQL and how its series are named.

    `<T>` in `expr` stands for the matchers of a target's series, `<D>` for those of the daemon's own.
    """

    expr: str
    legend: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """`steps` are (from this value on, colour), the first one from the lowest value. `columns` are a table's, in order.

    `mappings` are words shown in place of a number.
    """

    kind: Literal["stat", "timeseries", "table", "bargauge"]
    title: str
    description: str
    unit: str
    queries: tuple[Query, ...]
    width: int
    height: int = 8
    steps: tuple[tuple[float | None, str], ...] = ((None, GREEN),)
    minimum: float | None = None
    maximum: float | None = None
    stacked: bool = False
    columns: tuple[tuple[str, str], ...] = ()  # (label or "Value", heading)
    mappings: tuple[tuple[str, str, str], ...] = ()  # (value, text, colour)
    no_value: str = "no data"


@dataclass(frozen=True, slots=True)
class Row:
    title: str
    panels: tuple[Panel, ...]
