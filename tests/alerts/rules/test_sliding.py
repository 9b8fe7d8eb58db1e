from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from alerts.rules.sliding import SlidingCounts


def sums(counts: SlidingCounts) -> tuple[int, int, int, int]:
    return counts.long_total, counts.long_bad, counts.short_total, counts.short_bad


def test_events_leave_the_short_window_first() -> None:
    counts = SlidingCounts(120, 30, 10)
    counts.add(0, 4, 1)
    counts.add(39, 2, 2)
    assert sums(counts) == (6, 3, 6, 3)
    counts.add(40, 1, 0)  # the bucket of 0 to 10 is now older than 30 s
    assert sums(counts) == (7, 3, 3, 2)
    counts.add(129, 1, 0)
    assert sums(counts) == (8, 3, 1, 0)
    counts.add(130, 0, 0)  # and now older than 120 s
    assert sums(counts) == (4, 2, 1, 0)


def test_a_gap_longer_than_the_window_empties_it() -> None:
    counts = SlidingCounts(120, 30, 10)
    counts.add(0, 4, 1)
    counts.add(1e9, 1, 1)
    assert sums(counts) == (1, 1, 1, 1)
    counts.add(3e9, 0, 0)
    counts.add(5e9, 1, 0)
    assert sums(counts) == (1, 0, 1, 0)


def test_the_past_can_be_filled_in() -> None:
    counts = SlidingCounts(120, 30, 10)
    for at in (-500.0, -130.0, -120.0, -40.0, -30.0, 0.0):
        counts.add(at, 10, 1)
    assert sums(counts) == (40, 4, 20, 2)


def test_a_bucket_counts_no_further_than_its_bits() -> None:
    counts = SlidingCounts(120, 30, 10)
    counts.add(0, 2**40, 2**39)
    counts.add(0, 7, 7)
    assert sums(counts) == (2**31, 2**31, 2**31, 2**31)


EVENTS = st.lists(
    st.tuples(
        st.one_of(st.floats(0, 15), st.floats(0, 400), st.just(10.0)),  # seconds since the one before
        st.integers(0, 3),
        st.integers(0, 3),
    ),
    max_size=60,
)


def recount(seen: list[tuple[float, int, int]], seconds: float) -> tuple[int, int]:
    """All events, and bad ones, that are younger."""
    inside = [(total, bad) for at, total, bad in seen if seen[-1][0] - at < seconds]
    return sum(total for total, _ in inside), sum(bad for _, bad in inside)


@given(EVENTS, st.sampled_from([(120, 10, 10), (120, 30, 10), (100, 25, 7), (60, 60, 5)]))
def test_equal_a_naive_recount_to_within_one_bucket(
    events: list[tuple[float, int, int]], shape: tuple[int, int, int]
) -> None:
    long_seconds, short_seconds, bucket_seconds = shape
    counts = SlidingCounts(*shape)
    seen: list[tuple[float, int, int]] = []
    now = 0.0
    for step, good, failed in events:
        now += step
        counts.add(now, good + failed, failed)
        seen.append((now, good + failed, failed))
        for total, bad, window in (
            (counts.long_total, counts.long_bad, long_seconds),
            (counts.short_total, counts.short_bad, short_seconds),
        ):
            whole = -(-window // bucket_seconds) * bucket_seconds
            least_total, least_bad = recount(seen, window)
            most_total, most_bad = recount(seen, whole + bucket_seconds)
            assert least_total <= total <= most_total
            assert least_bad <= bad <= most_bad
