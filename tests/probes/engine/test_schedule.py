"""The schedule, with a driven clock."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.engine.schedule import (
    COARSEST_GRID_SECONDS,
    FIRST_WITHIN_SECONDS,
    LATE_AFTER_SECONDS,
    Job,
    Schedule,
    Start,
    grid_seconds,
    late_after_seconds,
    on_grid,
    phase_seconds,
)
from probes.target import Target
from tests.probes.support import target

NOW = 1000.0
GRADE_SECONDS = 6 * 3600.0


def job(name: str, every_seconds: float = 10.0, **options: object) -> Job:
    return Job("http", target("http://127.0.0.1/", name=name, **options), every_seconds)


@given(st.text("abcdef0123456789", min_size=1, max_size=20), st.floats(0.1, 100_000))
def test_the_first_start_is_soon_and_fixed_by_the_name(name: str, every: float) -> None:
    phase = phase_seconds(job(name, every))
    assert 0 <= phase < min(every, FIRST_WITHIN_SECONDS)
    assert phase == phase_seconds(job(name, every))


def test_phases_are_spread() -> None:
    tenths = [int(phase_seconds(job(f"t{number}"))) for number in range(1000)]
    assert all(60 < tenths.count(second) < 140 for second in range(10))


class Driven:
    """A schedule and a clock; it checks at every start that the job does not run already."""

    def __init__(self, jobs: list[Job]) -> None:
        self.schedule, self.now = Schedule(jobs, NOW), NOW
        self.running: set[str] = set()
        self.started = self.started_late = 0

    def advance(self, seconds: float) -> None:
        self.now += seconds
        for start in self.schedule.start_due(self.now):
            self._begin(start)

    def finish_all(self) -> None:
        for key in sorted(self.running):
            self.running.discard(key)
            for start in self.schedule.finished(key, self.now):
                self._begin(start)

    def _begin(self, start: Start) -> None:
        assert start.job.key not in self.running
        assert start.late_seconds >= 0
        self.running.add(start.job.key)
        self.started += 1
        self.started_late += start.late_seconds > late_after_seconds(start.job)


@given(
    st.lists(st.integers(1, 30), min_size=1, max_size=8),
    st.floats(0.001, COARSEST_GRID_SECONDS - 0.001),
    st.lists(st.tuples(st.integers(0, 800), st.booleans()), max_size=60),
)
def test_every_slot_is_started_or_counted_and_no_job_overlaps(
    every: list[int], off_grid: float, steps: list[tuple[int, bool]]
) -> None:
    """Always a little off the grid: exactly on it, sums of floats decide what is due."""
    jobs = [job(f"j{number}", seconds) for number, seconds in enumerate(every)]
    driven = Driven(jobs)
    driven.advance(off_grid)
    for hops, finish in steps:
        driven.advance(hops * COARSEST_GRID_SECONDS)
        if finish:
            driven.finish_all()
        due = driven.schedule.next_due()
        assert due is None or due > driven.now
    driven.finish_all()  # and what became due while it ran begins
    elapsed = [driven.now - on_grid(NOW + phase_seconds(each)) for each in jobs]
    slots = sum(
        int(seconds / each.every_seconds) + 1 for each, seconds in zip(jobs, elapsed, strict=True) if seconds >= 0
    )
    never_started = driven.schedule.late - driven.started_late
    assert driven.started + never_started == slots


def test_a_late_start_does_not_move_what_comes_after() -> None:
    only = job("a")
    schedule = Schedule([only], NOW)
    due = on_grid(NOW + phase_seconds(only))
    (start,) = schedule.start_due(due + 3)
    assert start.late_seconds == pytest.approx(3)
    assert schedule.late == 1
    schedule.finished(only.key, due + 4)
    assert schedule.next_due() == pytest.approx(due + 10)


def test_a_start_in_time_is_not_late() -> None:
    only = job("a")
    schedule = Schedule([only], NOW)
    (start,) = schedule.start_due(on_grid(NOW + phase_seconds(only)) + LATE_AFTER_SECONDS / 2)
    assert start.late_seconds == pytest.approx(LATE_AFTER_SECONDS / 2)
    assert schedule.late == 0


def test_a_job_that_takes_too_long_starts_again_when_it_is_done_and_tells_how_late() -> None:
    only = job("a")
    schedule = Schedule([only], NOW)
    due = on_grid(NOW + phase_seconds(only))
    assert len(schedule.start_due(due)) == 1
    assert schedule.start_due(due + 10) == [], "it still runs"
    assert schedule.next_due() is None
    (again,) = schedule.finished(only.key, due + 12)
    assert again.late_seconds == pytest.approx(2)
    assert schedule.late == 1
    assert schedule.next_due() == pytest.approx(due + 20)


def test_after_a_long_sleep_there_is_one_start_and_every_missed_one_is_counted() -> None:
    only = job("a")
    schedule = Schedule([only], NOW)
    due = on_grid(NOW + phase_seconds(only))
    (start,) = schedule.start_due(due + 45)
    assert start.late_seconds == pytest.approx(45)
    assert schedule.late == 5  # due + 0, 10, 20, 30, 40
    assert schedule.next_due() == pytest.approx(due + 50)


def test_a_reload_leaves_what_did_not_change_alone() -> None:
    kept, changed, gone = job("kept"), job("changed"), job("gone")
    schedule = Schedule([kept, changed, gone], NOW)
    schedule.start_due(NOW + 10)
    for each in (kept, changed, gone):
        schedule.finished(each.key, NOW + 10.5)
    # The same settings read again are other objects, and equal.
    schedule.replace([job("kept"), job("changed", max_redirects=1), job("new")], NOW + 11)
    dues: dict[str, float] = {}
    while (due := schedule.next_due()) is not None and due < NOW + 30:
        for start in schedule.start_due(due):
            dues.setdefault(start.job.target.name, due)
            schedule.finished(start.job.key, due)
    assert dues == {
        "kept": pytest.approx(on_grid(NOW + 10 + phase_seconds(kept))),
        "changed": pytest.approx(on_grid(NOW + 11 + phase_seconds(changed))),
        "new": pytest.approx(on_grid(NOW + 11 + phase_seconds(job("new")))),
    }
    assert len(schedule) == 3


def test_a_job_that_is_taken_away_and_brought_back_while_it_runs_does_not_overlap() -> None:
    only = job("a")
    schedule = Schedule([only], NOW)
    schedule.start_due(NOW + 10)
    schedule.replace([], NOW + 11)
    assert schedule.next_due() is None
    schedule.replace([only], NOW + 12)
    assert schedule.start_due(NOW + 22) == []
    assert len(schedule.finished(only.key, NOW + 23)) == 1


def test_no_more_of_a_kind_run_at_once_than_may() -> None:
    grades = [Job("tls_grade", target("https://127.0.0.1/", name=f"t{number}"), GRADE_SECONDS) for number in range(5)]
    schedule = Schedule([*grades, job("t0")], NOW, at_once={"tls_grade": 2})
    starts = schedule.start_due(NOW + FIRST_WITHIN_SECONDS)
    running = [start.job.key for start in starts if start.job.kind == "tls_grade"]
    assert (len(starts), len(running)) == (3, 2), "another kind is not held up"
    order, now = list(running), NOW + FIRST_WITHIN_SECONDS
    while running:
        now += 60
        started = schedule.finished(running.pop(0), now)
        running += [start.job.key for start in started]
        order += [start.job.key for start in started]
        assert len(running) <= 2
        assert all(start.late_seconds >= 60 for start in started)
    assert sorted(order) == sorted(each.key for each in grades)
    assert schedule.late == 1, "that of the other kind; some minutes are nothing to what is done every 6 h"


def test_a_job_that_waits_for_its_turn_may_be_taken_away() -> None:
    first, second = (Job("tls_grade", target("https://127.0.0.1/", name=name), GRADE_SECONDS) for name in "ab")
    schedule = Schedule([first], NOW, at_once={"tls_grade": 1})
    schedule.start_due(NOW + 10)
    schedule.replace([first, second], NOW + 10)
    assert schedule.start_due(NOW + 20) == []
    schedule.replace([first], NOW + 21)
    assert schedule.finished(first.key, NOW + 22) == []
    assert schedule.next_due() == pytest.approx(on_grid(NOW + phase_seconds(first)) + GRADE_SECONDS)


def test_a_grade_every_six_hours_is_made_soon_after_the_start() -> None:
    grade = Job("tls_grade", Target(name="a", url="https://127.0.0.1/", every=timedelta(seconds=10)), GRADE_SECONDS)
    schedule = Schedule([grade, job("a")], NOW)
    kinds = {start.job.kind for start in schedule.start_due(NOW + FIRST_WITHIN_SECONDS)}
    assert kinds == {"tls_grade", "http"}


def failing(name: str, every: float, again: float, **options: object) -> Job:
    return Job("http", target("http://127.0.0.1/", name=name, **options), every, again)


def test_a_failing_job_is_started_again_sooner_and_keeps_its_due_times() -> None:
    only = failing("a", 10.0, 2.0, timeout="1s")
    schedule, due = Schedule([only], NOW), on_grid(NOW + phase_seconds(failing("a", 10.0, 2.0)))
    seen: list[tuple[float, bool]] = []
    now = due
    while now < due + 25:
        for start in schedule.start_due(now):
            seen.append((now - due, start.reprobe))
            assert start.late_seconds == pytest.approx(0, abs=0.01)
            schedule.finished(only.key, now, failed_in_seconds=0.01 if now < due + 12 else None)
        now = schedule.next_due() or 0.0
    regular = [at for at, again in seen if not again]
    assert regular == pytest.approx([0, 10, 20], abs=0.11)
    extra = [at for at, again in seen if again]
    assert extra == pytest.approx([2, 4, 6, 8, 12], abs=0.21)  # at 10 + 2 it was good again
    assert schedule.late == 0


def test_a_reprobe_that_would_hold_up_what_is_due_is_left_out() -> None:
    only = failing("a", 10.0, 2.0, timeout="5s")
    schedule, due = Schedule([only], NOW), on_grid(NOW + phase_seconds(failing("a", 10.0, 2.0)))
    schedule.start_due(due)
    schedule.finished(only.key, due + 4.5, failed_in_seconds=4.5)
    assert schedule.next_due() == pytest.approx(due + 10)


def test_a_reload_keeps_what_is_to_be_probed_again() -> None:
    only, other = failing("a", 10.0, 2.0, timeout="1s"), job("b", 10.0)
    schedule, due = Schedule([only], NOW), on_grid(NOW + phase_seconds(failing("a", 10.0, 2.0)))
    schedule.start_due(due)
    schedule.finished(only.key, due, failed_in_seconds=0.01)
    schedule.replace([only, other], due + 1)
    starts = [start for start in schedule.start_due(due + 2.2) if start.job == only]
    assert [start.reprobe for start in starts] == [True]


@pytest.mark.parametrize(
    ("count", "every", "grid"),
    [(1, 10.0, 0.1), (200, 1.0, 0.1), (500, 1.0, 0.04), (5000, 10.0, 0.04), (9000, 1.0, 0.01)],
)
def test_the_grid_is_as_coarse_as_makes_for_some_starts_at_a_time(count: int, every: float, grid: float) -> None:
    jobs = [job(f"t{number}", every) for number in range(count)]
    assert grid_seconds(jobs) == pytest.approx(grid)
    schedule = Schedule(jobs, NOW)
    due = schedule.next_due()
    assert due is not None
    assert due / grid == pytest.approx(round(due / grid))
    assert grid_seconds([]) == COARSEST_GRID_SECONDS


@pytest.mark.parametrize(("every", "again"), [(4.0, 1.0), (2.0, 0.5), (10.0, 2.0)])
def test_what_fails_at_once_is_probed_again_whatever_its_timeout(every: float, again: float) -> None:
    asked = target("http://127.0.0.1/", name="a", every=f"{every:g}s", timeout=f"{every:g}s")
    only = Job("http", asked, every, again)
    schedule, now = Schedule([only], NOW), NOW
    reprobes = 0
    while now < NOW + 10 * every:
        for start in schedule.start_due(now):
            reprobes += start.reprobe
            schedule.finished(only.key, now, failed_in_seconds=0.001)
        now = schedule.next_due() or 0.0
    assert reprobes >= 10 * (every / again - 2)
    assert schedule.late == 0
