from __future__ import annotations

from monitor.clock import ManualClock
from monitor.housekeeping import ClockWatch


def test_time_that_passes_is_no_step() -> None:
    clock = ManualClock()
    watch = ClockWatch(clock)
    for _ in range(10_000):
        clock.advance(1.0)
        clock.step_wall(0.0005)  # what NTP slews in a second: 5 s in all
        assert watch.step() is None


def test_a_clock_that_is_set_is_told_once_with_how_far() -> None:
    clock = ManualClock()
    watch = ClockWatch(clock)
    for seconds in (3600.0, -7200.0):
        clock.advance(5)
        clock.step_wall(seconds)
        step = watch.step()
        assert step is not None
        assert step.total_seconds() == seconds
        assert watch.step() is None
