from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.store.histogram import HIGHEST_SECONDS, LOWEST_SECONDS, RELATIVE_ERROR, Histogram, bucket_of, seconds_of

latencies = st.floats(LOWEST_SECONDS, HIGHEST_SECONDS)
histograms = st.lists(latencies).map(Histogram.of)


@given(st.lists(latencies, min_size=1), st.floats(0, 1))
def test_a_quantile_is_within_the_promised_error(values: list[float], share: float) -> None:
    true = sorted(values)[max(1, math.ceil(share * len(values))) - 1]
    estimate = Histogram.of(values).quantile(share)
    assert estimate is not None
    assert abs(estimate - true) <= true * RELATIVE_ERROR * (1 + 1e-9)


@given(histograms, histograms, histograms)
def test_adding_is_associative_and_commutative(one: Histogram, two: Histogram, three: Histogram) -> None:
    assert (one + two) + three == one + (two + three) == Histogram.total([three, one, two])
    assert one + Histogram() == one


@given(st.lists(latencies), st.lists(latencies))
def test_the_sum_is_the_histogram_of_all(one: list[float], two: list[float]) -> None:
    assert Histogram.of(one) + Histogram.of(two) == Histogram.of(one + two)
    assert Histogram.of(one + two).count == len(one) + len(two)


@given(histograms)
def test_json_loses_nothing(histogram: Histogram) -> None:
    assert Histogram.from_json(json.loads(json.dumps(histogram.to_json()))) == histogram


@given(latencies, latencies)
def test_longer_is_never_in_a_lower_bucket(one: float, two: float) -> None:
    assert (one <= two) <= (bucket_of(one) <= bucket_of(two))


ENDS = [(0.0, LOWEST_SECONDS), (-1.0, LOWEST_SECONDS), (1e9, HIGHEST_SECONDS)]


@pytest.mark.parametrize(("seconds", "counts_as"), ENDS)
def test_what_is_off_the_scale_counts_as_its_end(seconds: float, counts_as: float) -> None:
    assert bucket_of(seconds) == bucket_of(counts_as)
    assert seconds_of(bucket_of(seconds)) == pytest.approx(counts_as, rel=RELATIVE_ERROR)


def test_an_empty_histogram_has_no_quantile() -> None:
    assert Histogram().quantile(0.5) is None
