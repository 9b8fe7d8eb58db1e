"""Quantities as people write them in a settings file: `10s`, `1h30m`, `99.9%`."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

_UNIT_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhdw])")
_DURATION = r"^(\d+(\.\d+)?(ms|[smhdw]))+$"
_PERCENT = r"^\d+(\.\d+)?%$"


def parse_duration(value: Any) -> timedelta:
    """`1h30m` to a timedelta. Raises ValueError naming the value and the right form; a bare number has no unit."""
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str) or not re.match(_DURATION, value):
        raise ValueError(f"{value!r} is not a duration; write a number and a unit, such as 400ms, 10s, 5m, 6h or 30d")
    return timedelta(seconds=sum(float(number) * _UNIT_SECONDS[unit] for number, unit in _PART.findall(value)))


def format_duration(value: timedelta) -> str:
    """The shortest spelling that `parse_duration` reads back: 90 s is `1m30s`."""
    left_ms = round(value.total_seconds() * 1000)
    if left_ms == 0:
        return "0s"
    parts = []
    for unit, size_ms in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        count, left_ms = divmod(left_ms, size_ms)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts)


def parse_percent(value: Any) -> float:
    """`99.9%` to 0.999. Raises ValueError unless it is a percentage above 0 and below 100."""
    if isinstance(value, float) and 0 < value < 1:
        return value
    if not isinstance(value, str) or not re.match(_PERCENT, value) or not 0 < float(value[:-1]) < 100:
        raise ValueError(f"{value!r} is not an objective; write a percentage between 0% and 100%, such as 99.9%")
    return round(float(value[:-1]) / 100, 12)


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema({"type": "string", "pattern": _DURATION, "examples": ["10s", "5m", "30d"]}),
]
Percent = Annotated[
    float,
    BeforeValidator(parse_percent),
    PlainSerializer(lambda value: f"{value * 100:.10g}%", return_type=str),
    WithJsonSchema({"type": "string", "pattern": _PERCENT, "examples": ["99.9%"]}),
]
