"""Bars, sparklines and quantiles."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.cli.probe_bars import bar, sparkline
from monitor.cli.probe_count import quantile


@pytest.mark.parametrize(
    ("spans", "drawn"),
    [
        ([(0, 10)], "██████████"),
        ([(0, 5)], "█████"),
        ([(5, 10)], "     █████"),
        ([(2.5, 4.25)], "  ▐█▎"),
        ([(0, 1), (8, 9)], "█       █"),
        ([(0, 0)], "▏"),
        ([(10, 10)], "         ▕"),
        ([(4, 4.001)], "    ▏"),
        ([], ""),
    ],
)
def test_a_bar_is_drawn_to_scale(spans: list[tuple[float, float]], drawn: str) -> None:
    assert bar(spans, 10, 10, plain=False) == drawn


SPAN = st.tuples(st.floats(0, 1), st.floats(0, 1)).map(sorted).map(tuple)


@given(spans=st.lists(SPAN, min_size=1, max_size=5), width=st.integers(1, 80), plain=st.booleans())
def test_a_bar_fits_and_is_never_invisible(spans: list[tuple[float, float]], width: int, plain: bool) -> None:
    drawn = bar(spans, 1, width, plain=plain)
    assert 0 < len(drawn) <= width
    assert drawn.strip()


def test_nothing_took_no_time() -> None:
    assert bar([(0, 0)], 0, 5, plain=True) == "#"


def test_a_sparkline_shows_the_worst_of_each_stretch() -> None:
    assert sparkline([1, 2, 3, 4, 5, 6, 7, 8], 8, plain=False) == "▁▂▃▄▅▆▇█"
    assert sparkline([1, 8, 1, 1], 2, plain=False) == "█▁"
    assert sparkline([1, None, 3, 3], 2, plain=False) == "×▁", "a failure is not averaged away"
    assert sparkline([2, 2], 10, plain=False) == "▁▁"
    assert sparkline([], 10, plain=False) == ""


@given(values=st.lists(st.none() | st.floats(0, 1e6), max_size=300), width=st.integers(1, 100))
def test_a_sparkline_fits(values: list[float | None], width: int) -> None:
    drawn = sparkline(values, width, plain=True)
    assert len(drawn) == min(width, len(values))
    assert ("x" in drawn) is (None in values)


def test_a_quantile_is_one_that_was_seen() -> None:
    hundred = [float(value) for value in range(1, 101)]
    assert [quantile(hundred, share) for share in (0.5, 0.99, 1.0)] == [50, 99, 100]
    assert [quantile([7.0], share) for share in (0.5, 0.99)] == [7, 7]
    assert quantile([1.0, 2.0, 3.0], 0.5) == 2
