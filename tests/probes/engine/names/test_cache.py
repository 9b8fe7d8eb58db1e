"""What is known of names, and for how long."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from probes.engine.names.cache import NameCache, kept_seconds
from probes.engine.resolve import Known

ACTIONS = st.one_of(
    st.tuples(st.just("put"), st.sampled_from("abcde"), st.integers(0, 20)),
    st.tuples(st.just("wait"), st.just(""), st.integers(0, 20)),
    st.tuples(st.just("clear"), st.just(""), st.just(0)),
)


@given(st.lists(ACTIONS, max_size=60), st.integers(1, 4))
def test_it_never_gives_what_has_ended_and_never_grows_over_its_bound(
    actions: list[tuple[str, str, int]], max_names: int
) -> None:
    cache = NameCache(max_names)
    now = 0.0
    newest: list[Known] = []  # the model: what was put, the newest last
    for action, host, seconds in actions:
        if action == "put":
            known = Known(host, until=now + seconds)
            cache.put(known)
            newest = [*(other for other in newest if other.host != host), known][-max_names:]
        elif action == "wait":
            now += seconds
        else:
            cache.clear()
            newest = []
        assert len(cache) == len(newest) <= max_names
        for name in "abcde":
            expected = next((known for known in newest if known.host == name and now < known.until), None)
            assert cache.get(name, now) is expected


@given(st.floats(0, 2**31, allow_nan=False), st.booleans())
def test_how_long_an_answer_is_kept_is_bounded(ttl_seconds: float, whole: bool) -> None:
    kept = kept_seconds(ttl_seconds, whole=whole)
    assert 1 <= kept <= (3600 if whole else 10)
    assert kept == ttl_seconds or ttl_seconds < 1 or kept in (10, 3600)
