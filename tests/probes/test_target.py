"""What may be said of a target, how defaults get under it, and that errors keep to themselves what they were given."""

from __future__ import annotations

import pickle
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from probes.options import OutageOptions, Slo
from probes.target import Target, TargetOptions

SECRET = "q7-not-to-be-seen"
durations = st.integers(100, 10**6).map(lambda ms: timedelta(milliseconds=ms))


def target(**fields: Any) -> Target:
    return Target(**({"name": "api", "url": "https://api.example.com/"} | fields))


options = st.fixed_dictionaries(
    {},
    optional={
        "outage": st.fixed_dictionaries({}, optional={"failures": st.integers(1, 9), "for": durations}),
        "recovery": st.fixed_dictionaries({}, optional={"successes": st.integers(1, 9), "for": durations}),
        "tls": st.fixed_dictionaries(
            {}, optional={"grade": st.sampled_from(["A", "B"]), "verify": st.booleans(), "every": durations}
        ),
        "slo": st.none()
        | st.fixed_dictionaries(
            {}, optional={"availability": st.sampled_from(["99%", "99.9%"]), "latency": st.just({"p99": "1s"})}
        ),
        "expect": st.fixed_dictionaries(
            {}, optional={"status": st.lists(st.integers(100, 599), max_size=2), "json": st.just({"status": "up"})}
        ),
        "runbook": st.just(Path("a.md")),
        "severity": st.sampled_from(["error", "info"]),
    },
)


def layered(under: Any, own: Any, name: str = "") -> Any:
    """The rule in plain data: sections field by field, a mapping of the user's own names whole."""
    if not isinstance(under, dict) or not isinstance(own, dict) or name == "json":
        return own
    return under | {key: layered(under[key], value, key) if key in under else value for key, value in own.items()}


@given(options, options)
def test_a_target_has_what_it_says_itself_then_the_defaults_then_the_built_in(
    own: dict[str, Any], under: dict[str, Any]
) -> None:
    assert target(**own).with_defaults(TargetOptions(**under)) == target(**layered(under, own))


@given(options)
def test_defaults_that_say_nothing_change_nothing(own: dict[str, Any]) -> None:
    assert target(**own).with_defaults(TargetOptions()) == target(**own)


def test_the_timeout_follows_a_short_interval_unless_it_is_set() -> None:
    assert target().timeout == timedelta(seconds=5)
    assert target(every="2s").timeout == timedelta(seconds=2)
    assert target(every="2s").with_defaults(TargetOptions(timeout="1s")).timeout == timedelta(seconds=1)
    assert target(every="1m").with_defaults(TargetOptions(every="2s")).timeout == timedelta(seconds=5)
    with pytest.raises(ValidationError, match=r"timeout \(5s\) must not be longer than every \(2s\)"):
        target(every="2s", timeout="5s")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"url": "example.com"}, "no scheme; one of http://, https://"),
        ({"url": "ftp://example.com"}, "the scheme 'ftp' cannot be probed"),
        ({"url": "https://"}, "has no host"),
        ({"url": "tcp://db.example.com"}, "needs a port, such as tcp://"),
        ({"url": "grpc://db.example.com"}, "needs a port, such as grpc://db.example.com:50051"),
        ({"url": "wss://a", "subprotocols": ["v2 chat"]}, "should match pattern"),
        ({"url": "http://a:99999"}, "not an address: port out of range"),
        ({"url": "http://[::1"}, "not an address: invalid IPv6 URL; write one such as"),
        ({"url": "http://a/b c"}, "space or a control character"),
        ({"every": "50ms"}, "50ms is too short; it must be at least 100ms"),
        ({"expect": {"body": {"regex": "("}}}, r"'\(' is not a regular expression"),
        ({"expect": {"dns": {"answer": {"not_regex": "("}}}}, r"'\(' is not a regular expression"),
        ({"expect": {"dns": {"rcode": ["NXDOMAN"]}}}, "is not a response code of DNS; write one such as NOERROR"),
        ({"expect": {"dns": {"rcode": []}}}, "at least 1 item"),
        ({"ip": {"prefer": 5}}, "Input should be 4 or 6"),
        ({"addresses": "some"}, "Input should be .first. or .all."),
        ({"resolve": "never"}, "Input should be .cached. or .afresh."),
        ({"tls": {"expiry": {"page": "30d"}}}, r"page \(30d\) must not be longer before the end than ticket \(21d\)"),
        ({"headers": {"a b": "x"}}, "'a b' is not the name of a header"),
        ({"headers": {"A": "x", "a": "y"}}, "given twice"),
        ({"name": "-x"}, "should match pattern"),
        ({"retries": 1}, "not permitted"),
    ],
)
def test_a_mistake_is_refused_with_what_would_be_right(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        target(**fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"url": f"https://user:{SECRET}@example.com"},
        {"url": f"https://{SECRET}@example.com"},
        {"headers": {"Authorization": f"{SECRET}\r\nX: y"}},
        {"headers": {"Authorization": [SECRET]}},
        {"headers": SECRET},
        {"unknown": SECRET},
        {"slo": SECRET},
        {"outage": {"failures": SECRET}},
    ],
)
def test_no_error_repeats_what_may_be_a_secret(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        target(**fields)
    assert SECRET not in str(caught.value)


def test_a_target_travels_to_a_worker_and_keeps_its_headers_to_itself() -> None:
    sent = target(headers={"Authorization": SECRET}, slo={"availability": "99.9%"}, outage={"for": "0s"})
    assert SECRET not in repr(sent)
    assert SECRET not in sent.model_dump_json()
    received: Target = pickle.loads(pickle.dumps(sent))
    assert received == sent
    assert received.headers["Authorization"].get_secret_value() == SECRET


@pytest.mark.parametrize(("url", "kind"), [("https://a", "http"), ("tcp://a:1", "tcp"), ("dns://a/b", "dns")])
def test_the_scheme_says_the_kind(url: str, kind: str) -> None:
    assert target(url=url).kind == kind


def test_latency_objectives_are_shares_and_seconds() -> None:
    slo = Slo.model_validate({"latency": {"p99": "400ms", "p50": "0.1s"}})
    assert slo.latency.objectives() == (("p50", 0.5, 0.1), ("p99", 0.99, 0.4))


def test_every_field_says_what_it_is_for() -> None:
    schema = Target.model_json_schema()
    sections = [schema, *schema["$defs"].values()]
    silent = [name for part in sections for name, field in part["properties"].items() if "description" not in field]
    assert silent == []
    assert "for" in OutageOptions.model_json_schema()["properties"]
