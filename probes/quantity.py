"""Quantities as people write them in a settings file: `10s`, `1h30m`, `99.9%`."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

_UNIT_MICROSECONDS = {
    "d": 86_400_000_000,
    "h": 3_600_000_000,
    "m": 60_000_000,
    "s": 1_000_000,
    "ms": 1000,
}
_UNIT_SECONDS = {unit: size / 1e6 for unit, size in _UNIT_MICROSECONDS.items()} | {"w": 604800.0}
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|[smhdw])")
_DURATION = r"^([0-9]+(\.[0-9]+)?(ms|[smhdw]))+$"
_PERCENT = r"^[0-9]+(\.[0-9]+)?%$"
_LONGEST_SHOWN = 60


def parse_duration(value: Any) -> timedelta:
    """`1h30m` to a timedelta. Raises ValueError naming the value and the right form; a bare number has no unit."""
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str) or not re.fullmatch(_DURATION, value):
        raise ValueError(
            f"{_shown(value)} is not a duration; write a number and a unit, such as 400ms, 10s, 5m, 6h or 30d"
        )
    try:
        parts = (timedelta(seconds=float(number) * _UNIT_SECONDS[unit]) for number, unit in _PART.findall(value))
        return sum(parts, timedelta())
    except OverflowError:
        raise ValueError(f"{_shown(value)} is longer than any clock can count; write a shorter duration") from None


def format_duration(value: timedelta) -> str:
    """The spelling that `parse_duration` reads back to the same value: 90 s is `1m30s`. `value` is not negative."""
    left = value // timedelta(microseconds=1)
    parts: list[str] = []
    for unit, size in _UNIT_MICROSECONDS.items():
        if unit == "ms" and left % size:
            return "".join([*parts, f"{left / size:.3f}".rstrip("0") + unit])
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def parse_percent(value: Any) -> float:
    """`99.9%` to 0.999. Raises ValueError unless it is a percentage above 0 and below 100."""
    if isinstance(value, float) and 0 < value < 1:
        return value
    if not isinstance(value, str) or not re.fullmatch(_PERCENT, value) or not 0 < float(value[:-1]) < 100:
        raise ValueError(f"{_shown(value)} is not an objective; write a percentage between 0% and 100%, such as 99.9%")
    return round(float(value[:-1]) / 100, 12)


def format_percent(share: float) -> str:
    """0.999 to `99.9%`, to ten decimals."""
    return f"{share * 100:.10f}".rstrip("0").rstrip(".") + "%"


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema({"type": "string", "pattern": _DURATION, "examples": ["10s", "5m", "30d"]}),
]
Percent = Annotated[
    float,
    BeforeValidator(parse_percent),
    PlainSerializer(format_percent, return_type=str),
    WithJsonSchema({"type": "string", "pattern": _PERCENT, "examples": ["99.9%"]}),
]
