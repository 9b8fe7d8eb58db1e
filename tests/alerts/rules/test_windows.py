from __future__ import annotations

import pytest

from alerts.rules.windows import BURN_WINDOWS, STANDARD_SECONDS, fitted
from alerts.verdict import Level

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0


def test_each_row_stands_for_its_share_of_the_budget() -> None:
    spent = [round(row.factor * row.long_seconds / STANDARD_SECONDS, 4) for row in BURN_WINDOWS]
    assert spent == [0.02, 0.05, 0.1, 0.1]


def test_the_most_urgent_come_first() -> None:
    assert [row.level for row in BURN_WINDOWS] == [Level.PAGE, Level.PAGE, Level.TICKET, Level.TICKET]


def test_a_standard_objective_has_the_table_as_it_is() -> None:
    rows = fitted(0.001, STANDARD_SECONDS, 10.0)
    assert [(row.long_seconds, row.short_seconds, row.factor) for row in rows] == [
        (HOUR, 5 * MINUTE, 14.4),
        (6 * HOUR, 30 * MINUTE, 6.0),
        (DAY, 2 * HOUR, 3.0),
        (3 * DAY, 6 * HOUR, 1.0),
    ]
    assert [row.bucket_seconds for row in rows] == [MINUTE, 6 * MINUTE, 24 * MINUTE, 72 * MINUTE]


def test_windows_scale_with_the_objective() -> None:
    rows = fitted(0.001, 90 * DAY, 10.0)
    assert [row.long_seconds for row in rows] == [3 * HOUR, 18 * HOUR, 3 * DAY, 9 * DAY]


def test_windows_are_stretched_until_a_rare_probe_fills_the_short_one() -> None:
    rows = fitted(0.001, STANDARD_SECONDS, 5 * MINUTE)
    assert [row.short_seconds for row in rows] == [25 * MINUTE, 30 * MINUTE, 2 * HOUR, 6 * HOUR]
    assert [row.long_seconds for row in rows] == [5 * HOUR, 6 * HOUR, DAY, 3 * DAY]


@pytest.mark.parametrize("every_seconds", [0.1, 10.0, 60.0, 300.0, 3600.0, 40000.0])
@pytest.mark.parametrize("days", [0.0, 0.01, 1, 7, 28, 365])
def test_every_bucket_is_a_whole_number_of_the_finest(every_seconds: float, days: float) -> None:
    rows = fitted(0.001, days * DAY, every_seconds)
    for row in rows:
        ratio = row.bucket_seconds / rows[0].bucket_seconds
        assert ratio == pytest.approx(round(ratio))
        assert row.bucket_seconds <= row.short_seconds / 5 * 1.001
        assert row.long_seconds / row.bucket_seconds <= 121


@pytest.mark.parametrize(
    ("budget", "factors"),
    [(0.01, [14.4, 6, 3, 1]), (0.1, [6, 3, 1]), (0.25, [3, 1]), (0.5, [1]), (0.999, [1])],
)
def test_rows_that_total_failure_does_not_reach_are_left_out(budget: float, factors: list[float]) -> None:
    assert [row.factor for row in fitted(budget, STANDARD_SECONDS, 10.0)] == factors
