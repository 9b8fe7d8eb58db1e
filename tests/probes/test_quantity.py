"""Durations and percentages: what is read, what is written back, what is refused."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from probes.quantity import Duration, Percent, format_duration, parse_duration, parse_percent


@given(st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=100_000)))
def test_a_duration_is_read_back_as_written(value: timedelta) -> None:
    assert parse_duration(format_duration(value)) == value


@given(st.integers(0, 10**6), st.sampled_from(["ms", "s", "m", "h", "d", "w"]))
def test_a_duration_is_its_number_of_units(count: int, unit: str) -> None:
    one = {"ms": timedelta(milliseconds=1), "s": timedelta(seconds=1), "m": timedelta(minutes=1)}
    one |= {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
    assert parse_duration(f"{count}{unit}") == count * one[unit]


@given(st.text(max_size=30))
def test_no_text_makes_a_duration_fail_otherwise_than_by_saying_so(text: str) -> None:
    said = ""
    try:
        read = parse_duration(text)
    except ValueError as error:
        read, said = timedelta(0), str(error)
    assert read >= timedelta(0)
    assert not said or "duration" in said


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("400ms", 0.4), ("1h30m", 5400), ("1.5s", 1.5), ("2w", 1_209_600), ("0s", 0), ("0.5ms", 0.0005)],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text).total_seconds() == seconds


@pytest.mark.parametrize("value", [10, 1.5, "10", "10 s", "-1s", "1s\n", "s", "", None, True, "١s", ["1s"], "1y"])
def test_what_is_no_duration_is_refused_with_the_value_and_the_right_form(value: object) -> None:
    with pytest.raises(ValueError, match="is not a duration; write a number and a unit, such as 400ms") as caught:
        parse_duration(value)
    assert repr(value) in str(caught.value)


@pytest.mark.parametrize("text", ["9" * 400 + "d", "1000000000000w"])
def test_a_duration_beyond_all_clocks_is_refused_in_few_words(text: str) -> None:
    with pytest.raises(ValueError, match="shorter duration") as caught:
        parse_duration(text)
    assert len(str(caught.value)) < 200


@given(st.integers(1, 99_999_999))
def test_a_percentage_is_read_back_as_written(millionths: int) -> None:
    adapter: TypeAdapter[float] = TypeAdapter(Percent)
    share = parse_percent(f"{millionths / 1_000_000:.6f}%")
    assert share == pytest.approx(millionths / 100_000_000, rel=1e-9)
    assert adapter.validate_python(adapter.dump_python(share)) == pytest.approx(share, rel=1e-9)


@pytest.mark.parametrize("value", ["99.9", 99.9, "0%", "100%", "-1%", "nan%", 1, 0.0, 1.0, None, "99.9%\n"])
def test_what_is_no_objective_is_refused_with_the_value_and_the_right_form(value: object) -> None:
    with pytest.raises(ValueError, match=r"is not an objective; write a percentage .* such as 99\.9%"):
        parse_percent(value)


def test_both_are_written_as_people_write_them_and_described_so() -> None:
    duration: TypeAdapter[timedelta] = TypeAdapter(Duration)
    assert duration.dump_python(timedelta(seconds=90)) == "1m30s"
    assert duration.json_schema()["type"] == "string"
    with pytest.raises(ValidationError):
        duration.validate_python(90)
