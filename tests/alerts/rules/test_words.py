from __future__ import annotations

import pytest

from alerts.rules.words import exactly, share, span


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0501, "50ms"),
        (1.0, "1s"),
        (1.52, "1.5s"),
        (12.4, "12s"),
        (90.04, "1m30s"),
        (3661, "1h1m"),
        (4 * 86400 + 3600 * 5 + 59, "4d5h"),
    ],
)
def test_a_measured_time_is_told_as_finely_as_people_ask(seconds: float, words: str) -> None:
    assert span(seconds) == words


def test_a_setting_is_told_as_it_was_written() -> None:
    assert exactly(1.25) == "1s250ms"
    assert share(0.0144) == "1.44%"
