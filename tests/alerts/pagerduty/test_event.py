import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.incident import PageAction
from alerts.pagerduty.event import Link, PageEvent, event_from_json, event_to_json

text = st.text(max_size=20)
events = st.builds(
    PageEvent,
    action=st.sampled_from(PageAction),
    route=st.text(min_size=1, max_size=20),
    dedup_key=st.text(min_size=1, max_size=300),
    summary=text,
    source=text,
    severity=st.sampled_from(["critical", "error", "warning", "info"]),
    timestamp=st.none() | st.datetimes(timezones=st.just(UTC)),
    component=st.none() | text,
    group=st.none() | text,
    class_=st.none() | text,
    details=st.lists(st.tuples(text, text), max_size=3).map(tuple),
    links=st.lists(st.builds(Link, href=text, text=text), max_size=2).map(tuple),
    client=text,
    client_url=st.none() | text,
)


@given(events)
def test_an_event_survives_the_outbox(event: PageEvent) -> None:
    assert event_from_json(json.loads(json.dumps(event_to_json(event)))) == event


def test_the_time_stays_aware() -> None:
    at = datetime(2026, 11, 23, 12, 0, 0, 250_000, tzinfo=UTC)
    event = PageEvent(action=PageAction.TRIGGER, route="default", dedup_key="k", timestamp=at)
    assert event_to_json(event)["timestamp"] == "2026-11-23T12:00:00.250000+00:00"


def test_a_row_of_a_newer_version_is_still_sent() -> None:
    row = {"action": "resolve", "route": "default", "dedup_key": "k", "images": ["new"]}
    assert event_from_json(row) == PageEvent(action=PageAction.RESOLVE, route="default", dedup_key="k")


@pytest.mark.parametrize(("route", "key"), [("", "k"), ("r", "")])
def test_an_event_without_key_or_route_is_never_made(route: str, key: str) -> None:
    with pytest.raises(ValueError, match="needs a dedup key and a route"):
        PageEvent(action=PageAction.TRIGGER, route=route, dedup_key=key)


@pytest.mark.parametrize("row", [{}, {"action": "page", "route": "r", "dedup_key": "k"}, {"action": "trigger"}])
def test_a_row_that_is_no_event_is_an_error(row: dict[str, str]) -> None:
    with pytest.raises((KeyError, ValueError)):
        event_from_json(row)
