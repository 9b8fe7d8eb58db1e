from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.verdict import Level
from monitor.live import KEPT_DURATIONS, Live, TargetState, TargetView, quantile
from probes.result import FailureReason
from tests.support import fleet

START = 1000.0


def seen(live: Live, target: str, at: float = START) -> TargetView:
    (view,) = [view for view in live.views(at) if view.target.name == target]
    return view


def fed() -> Live:
    live = Live(fleet.TARGETS)
    live.observe([replace(result, monotonic_seconds=START) for result in fleet.history()])
    return live


@pytest.mark.parametrize(
    ("fails", "age_seconds", "state"),
    [
        (None, 0.0, TargetState.OK),
        (None, 35.0, TargetState.OK),
        (None, 35.1, TargetState.UNKNOWN),
        (FailureReason.STATUS, 0.0, TargetState.FAILING),
        (FailureReason.STATUS, 35.1, TargetState.UNKNOWN),
        (FailureReason.INTERNAL, 0.0, TargetState.UNKNOWN),
    ],
)
def test_state_is_of_the_newest_result_while_it_is_fresh(
    fails: FailureReason | None, age_seconds: float, state: TargetState
) -> None:
    live = Live(fleet.TARGETS)
    live.observe([fleet.result("shop", fails=fails, monotonic=START)])
    assert seen(live, "shop", START + age_seconds).state is state


def test_a_target_that_was_never_probed_is_unknown() -> None:
    silent = seen(fed(), "silent")
    assert (silent.state, silent.p50_seconds, silent.last_probe_at) == (TargetState.UNKNOWN, None, None)


def test_worst_comes_first_then_by_name() -> None:
    live = fed()
    live.set_incidents([fleet.incident("search", level=Level.TICKET), fleet.incident("names", level=Level.PAGE)])
    order = [view.target.name for view in live.views(START)]
    assert order == ["names", "search", "shop", "silent", "chat", "database", "payments", "router", "stock"]


def test_a_failure_is_shown_until_the_next_success() -> None:
    live = fed()
    failure = seen(live, "shop").failure
    assert failure is not None
    assert failure.reason is FailureReason.REFUSED
    live.observe([fleet.result("shop", monotonic=START)])
    assert seen(live, "shop").failure is None


def test_quantiles_leave_failures_out() -> None:
    live = Live(fleet.TARGETS)
    live.observe([fleet.result("shop", seconds=0.2)] * 3)
    live.observe([fleet.result("shop", seconds=0.001, fails=FailureReason.REFUSED)] * 9)
    view = seen(live, "shop")
    assert (view.p50_seconds, view.p99_seconds, len(view.samples)) == (0.2, 0.2, 12)


def test_what_is_held_of_a_target_is_bounded() -> None:
    live = Live(fleet.TARGETS)
    live.observe([fleet.result("shop", seconds=i / 1000) for i in range(10 * KEPT_DURATIONS)])
    samples = seen(live, "shop").samples
    assert len(samples) == KEPT_DURATIONS
    assert samples[-1].duration_seconds == (10 * KEPT_DURATIONS - 1) / 1000


@given(st.lists(st.tuples(st.integers(0, 60_000_000), st.booleans()), max_size=3 * KEPT_DURATIONS))
def test_the_newest_samples_are_held_in_order(probes: list[tuple[int, bool]]) -> None:
    live = Live(fleet.TARGETS)
    made = [
        fleet.result("shop", seconds=microseconds / 1e6, fails=None if ok else FailureReason.RESET)
        for microseconds, ok in probes
    ]
    live.observe(made)
    held = [(sample.duration_seconds, sample.ok) for sample in seen(live, "shop").samples]
    assert held == [(result.duration_seconds, result.ok) for result in made[-KEPT_DURATIONS:]]


def test_an_endless_duration_is_held_as_the_longest() -> None:
    live = Live(fleet.TARGETS)
    live.observe([fleet.result("shop", seconds=1e9)])
    assert seen(live, "shop").samples[0].duration_seconds == pytest.approx(2147, abs=1)


def test_grade_and_expiry_stay_while_the_target_is_down() -> None:
    view = seen(fed(), "shop")
    assert view.grade is not None
    assert (view.grade.letter, view.certificate_not_after) == ("B", fleet.tls().not_after)
    assert len(view.samples) == 40, "a grade scan is no latency sample"


def test_a_grade_from_the_store_gives_way_to_a_newer_one() -> None:
    live, stored = Live(fleet.TARGETS), fleet.graded("shop", "C").grade
    assert stored is not None
    live.restore_grade("shop", stored)
    live.restore_grade("no-such-target", stored)
    assert seen(live, "shop").grade == stored
    live.observe([fleet.graded("shop", "A")])
    live.restore_grade("shop", stored)
    grade = seen(live, "shop").grade
    assert grade is not None
    assert grade.letter == "A"


def test_a_reload_keeps_what_stays_and_forgets_the_rest() -> None:
    live = fed()
    moved = fleet.TARGETS[1].model_copy(update={"url": "https://elsewhere.example.com/"})
    live.replace([fleet.TARGETS[0], moved])
    live.observe([fleet.result("search")])
    assert [view.target.name for view in live.views(START)] == ["shop", "payments"]
    assert seen(live, "shop").samples
    assert not seen(live, "payments").samples, "another address is another service"


@given(st.lists(st.floats(min_value=0, max_value=60), min_size=1), st.floats(min_value=0, max_value=1))
def test_a_quantile_is_one_of_the_values_with_its_share_at_or_below(values: list[float], share: float) -> None:
    found = quantile(sorted(values), share)
    assert found in values
    assert sum(value <= found for value in values) >= math.ceil(share * len(values))


def test_nothing_has_no_quantile() -> None:
    assert quantile([], 0.5) is None
