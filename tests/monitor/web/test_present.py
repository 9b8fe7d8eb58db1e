from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.live import LatencySample
from monitor.web import present
from tests.support.fleet import NOW


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "–"), (0.0004, "<1 ms"), (0.0871, "87 ms"), (0.9994, "999 ms"), (0.9996, "1.00 s"), (12.345, "12.35 s")],
)
def test_latency(seconds: float | None, text: str) -> None:
    assert present.latency(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "just now"), (-90, "just now"), (59, "59 s ago"), (61, "1 min ago"), (7300, "2 h ago"), (90000, "1 d ago")],
)
def test_ago(seconds: float, text: str) -> None:
    assert present.ago(NOW - timedelta(seconds=seconds), NOW) == text


def test_until_and_after_the_end() -> None:
    assert present.until(NOW + timedelta(days=20, hours=3), NOW) == "in 20 d"
    assert present.until(NOW - timedelta(hours=2), NOW) == "expired 2 h ago"


def test_an_address_is_shown_without_what_may_be_secret() -> None:
    assert present.shown_url("https://user@api.example.com:8443/v1?token=secret#x") == "https://api.example.com:8443/v1"


@given(st.lists(st.builds(LatencySample, duration_seconds=st.floats(0, 1e6), ok=st.booleans()), max_size=60))
def test_every_sample_is_drawn_once_within_the_box(samples: list[LatencySample]) -> None:
    drawn = present.sparkline(samples)
    if not samples:
        assert drawn is None
        return
    assert drawn is not None
    points = {point for line in drawn.lines for point in line.split()}
    xs = [*(point.split(",")[0] for point in points), *drawn.failures]
    assert len(set(xs)) == len(xs) == len(samples)
    assert all(0 <= float(x) <= present.WIDTH for x in xs)
    assert all(0 <= float(point.split(",")[1]) <= present.HEIGHT for point in points)


def test_a_failure_breaks_the_line_and_is_said_in_words() -> None:
    samples = [LatencySample(duration_seconds=seconds, ok=seconds > 0) for seconds in (0.1, 0.2, 0.0, 0.4, 0.3)]
    drawn = present.sparkline(samples)
    assert drawn is not None
    assert (len(drawn.lines), len(drawn.failures)) == (2, 1)
    assert drawn.label == "last 5 probes, 100 ms to 400 ms, 1 failed"
