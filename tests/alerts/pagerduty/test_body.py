from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.incident import PageAction
from alerts.pagerduty.body import BODY_BYTES, body_of, encode, fitting_key, web_url
from alerts.pagerduty.event import Link, PageEvent
from monitor.pager_sink.contract import parse, read_v2

KEY = "e93facc04764012d7bfb002500d5d1a6"
wild = st.text(st.characters(exclude_categories=()), max_size=2000)  # control characters and lone surrogates too
urls = (
    st.none() | wild | st.sampled_from(["https://m.example/incidents/7", "javascript:alert(1)", "http://[", "https://"])
)
wild_events = st.builds(
    PageEvent,
    action=st.sampled_from(PageAction),
    route=st.just("default"),
    dedup_key=wild.filter(bool),
    summary=wild,
    source=wild,
    severity=st.sampled_from(["critical", "error", "warning", "info"]),
    timestamp=st.none() | st.datetimes(timezones=st.just(UTC)),
    component=st.none() | wild,
    details=st.lists(st.tuples(wild, wild), max_size=4).map(tuple),
    links=st.lists(st.builds(Link, href=urls.map(str), text=wild), max_size=3).map(tuple),
    client=wild,
    client_url=urls,
)


def trigger(**fields: object) -> PageEvent:
    given = {"route": "default", "dedup_key": "monitor:eu:1", "summary": "down", "source": "api"} | fields
    return PageEvent(action=PageAction.TRIGGER, **given)  # type: ignore[arg-type]


@given(wild_events)
def test_whatever_an_event_holds_the_api_takes_it(event: PageEvent) -> None:
    raw = encode(body_of(event, KEY))
    taken = read_v2(parse(raw))
    assert taken.action is event.action
    assert taken.dedup_key == fitting_key(event.dedup_key)
    assert len(raw) <= BODY_BYTES


def test_a_whole_trigger() -> None:
    event = trigger(
        severity="error",
        timestamp=datetime(2026, 11, 23, 12, tzinfo=UTC),
        component="db",
        group="shop",
        class_="outage",
        details=(("expected", "200"), ("seen", "503")),
        links=(Link(href="https://runbooks.example/api.md", text="Runbook"),),
        client_url="https://monitor.example/",
    )
    assert body_of(event, KEY) == {
        "routing_key": KEY,
        "event_action": "trigger",
        "dedup_key": "monitor:eu:1",
        "payload": {
            "summary": "down",
            "source": "api",
            "severity": "error",
            "timestamp": "2026-11-23T12:00:00+00:00",
            "component": "db",
            "group": "shop",
            "class": "outage",
            "custom_details": {"expected": "200", "seen": "503"},
        },
        "client": "monitor",
        "client_url": "https://monitor.example/",
        "links": [{"href": "https://runbooks.example/api.md", "text": "Runbook"}],
    }


@pytest.mark.parametrize("action", [PageAction.ACKNOWLEDGE, PageAction.RESOLVE])
def test_later_events_carry_the_key_alone(action: PageAction) -> None:
    event = PageEvent(action=action, route="default", dedup_key="k", summary="s", details=(("a", "b"),))
    assert body_of(event, None) == {"event_action": action.value, "dedup_key": "k"}


@pytest.mark.parametrize(("length", "last"), [(1024, "ü"), (1025, "…"), (5000, "…")])
def test_the_summary_is_cut_at_1024_characters(length: int, last: str) -> None:
    summary = body_of(trigger(summary="ü" * length), KEY)["payload"]["summary"]
    assert len(summary) == 1024
    assert summary[-1] == last


@pytest.mark.parametrize("summary", ["", " \n\t "])
def test_a_summary_is_never_empty(summary: str) -> None:
    assert body_of(trigger(summary=summary), KEY)["payload"]["summary"] == "Trouble with api"


def test_details_too_large_are_replaced_and_the_page_kept() -> None:
    body = body_of(trigger(details=(("log", "ü" * 300_000),), links=(Link(href="https://m.example", text="m"),)), KEY)
    assert body["payload"]["custom_details"] == {
        "details": "left out: 600010 bytes are more than PagerDuty takes; monitor keeps them with the incident"
    }
    assert body["links"]


def test_the_limit_is_for_the_whole_body_to_the_byte() -> None:
    empty = len(encode(body_of(trigger(details=(("a", ""),)), KEY)))
    fits = body_of(trigger(details=(("a", "x" * (BODY_BYTES - empty)),)), KEY)
    assert len(encode(fits)) == BODY_BYTES
    over = body_of(trigger(details=(("a", "x" * (BODY_BYTES - empty + 1)),)), KEY)
    assert "left out" in over["payload"]["custom_details"]["details"]


def test_a_name_that_comes_twice_loses_nothing() -> None:
    body = body_of(trigger(details=(("seen", "503"), ("seen", "504"), ("seen", "505"))), KEY)
    assert body["payload"]["custom_details"] == {"seen": "503", "seen (2)": "504", "seen (3)": "505"}


@given(st.text(min_size=1, max_size=600), st.text(min_size=1, max_size=600))
def test_keys_that_differ_stay_different(one: str, other: str) -> None:
    assert len(fitting_key(one)) <= 255
    if one.isprintable() and other.isprintable() and one != other:
        assert fitting_key(one) != fitting_key(other)


def test_long_keys_with_one_beginning_stay_different() -> None:
    assert fitting_key("k" * 300 + "1") != fitting_key("k" * 300 + "2")
    assert fitting_key("k" * 255) == "k" * 255


@pytest.mark.parametrize(
    "url",
    [None, "", "javascript:alert(1)", "file:///etc/passwd", "https://", "//x", "http://[", "https://a b", "h" * 3000],
)
def test_what_is_no_web_address_is_left_out(url: str | None) -> None:
    assert web_url(url) is None
    body = body_of(trigger(client_url=url, links=(Link(href=url or "", text="x"),)), KEY)
    assert "client_url" not in body
    assert "links" not in body
