from __future__ import annotations

import math

import pytest

from alerts.rules.stream_clock import LONGEST_GAP_SECONDS, STRAGGLER_SECONDS, StreamClock


def test_goes_on_by_the_steps_of_the_results() -> None:
    clock = StreamClock()
    assert clock.advance(1000.0)
    assert clock.now == 0.0
    assert clock.advance(1012.5)
    assert clock.now == 12.5
    assert clock.monotonic(10.0) == 1010.0
    assert clock.at(1002.5) == 2.5


@pytest.mark.parametrize("step", [0.0, -1.0, -STRAGGLER_SECONDS])
def test_copies_and_stragglers_are_refused_and_change_nothing(step: float) -> None:
    clock = StreamClock()
    clock.advance(1000.0)
    assert not clock.advance(1000.0 + step)
    assert clock.advance(1001.0)
    assert clock.now == 1.0


def test_a_clock_that_begins_again_neither_moves_nor_stops_time() -> None:
    clock = StreamClock()
    clock.advance(1000.0)
    clock.advance(1010.0)
    assert clock.advance(5.0)
    assert clock.now == 10.0
    assert clock.advance(7.0)
    assert clock.now == 12.0
    assert clock.monotonic(10.0) == 5.0


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_refused(value: float) -> None:
    clock = StreamClock()
    assert not clock.advance(value)
    assert clock.advance(1.0)


def test_a_huge_gap_stays_a_number_to_count_with() -> None:
    clock = StreamClock()
    for value in (-1e308, 1e308, -1e308, 1e308):
        assert clock.advance(value)
    assert clock.now == 2 * LONGEST_GAP_SECONDS
    assert clock.at(-1e308) == LONGEST_GAP_SECONDS


def test_the_past_ends_where_it_is_told_to_begin_once() -> None:
    clock = StreamClock()
    clock.begin(500.0)
    clock.begin(900.0)
    assert clock.at(440.0) == -60.0
    assert clock.at(600.0) == 0.0  # not later than now
    assert clock.advance(510.0)
    assert clock.now == 10.0
