"""The renderer against prometheus_client: the same results into both, both parsed, every sample compared."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.exposition import generate_latest as text_of
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics_of
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from alerts.verdict import Level
from monitor.metrics import Metrics
from monitor.metrics.block import TARGETS
from monitor.metrics.daemon_series import OPEN_STATES
from monitor.metrics.exposition import METRICS
from probes.result import (
    AddressResult,
    DnsFacts,
    Failure,
    FailureReason,
    GradeFacts,
    GrpcFacts,
    HttpFacts,
    IcmpFacts,
    Phase,
    ProbeResult,
    TlsSession,
)
from probes.target import Target
from tests.support import fleet
from tests.support.reference import Reference

OPENMETRICS = "application/openmetrics-text;version=1.0.0"
NOW = 1000.0
REGION = 'eu\\"west\n'

texts = st.text(st.sampled_from('ab"\\\n{},= é€💥%'), min_size=1, max_size=8)
seconds = st.floats(0, 1e4)
odd_seconds = seconds | st.sampled_from([math.inf, math.nan])
times = st.integers(1, 2**32 * 1000).map(lambda ms: datetime.fromtimestamp(ms / 1000, UTC))
sizes = st.integers(-1, 2**53)
urls = ("http://a/", "https://a/", "tcp://a:1", "tls://a", "dns://a/b", "icmp://a", "grpc://a:1", "ws://a/")
slos = (
    {"availability": "99.9%"},
    {"latency": {"p50": "100ms", "p99": "1s"}},
    {"availability": "99%", "latency": {"p999": "20s"}},
)


@st.composite
def targets(draw: st.DrawFn) -> Target:
    fields: dict[str, Any] = {
        "name": "x",
        "url": draw(st.sampled_from(urls)),
        "every": draw(st.sampled_from(["1s", "1m"])),
    }
    slo = draw(st.none() | st.sampled_from(slos))
    target = Target.model_validate(fields | ({} if slo is None else {"slo": slo}))
    return target.model_copy(update={"name": draw(texts)})


def sessions() -> st.SearchStrategy[TlsSession]:
    return st.builds(
        TlsSession, version=texts, cipher=texts, not_after=times, leaf_sha256=texts, verified=st.booleans()
    )


def facts_of(kind: str) -> dict[str, st.SearchStrategy[Any]]:
    versions = st.sampled_from(["1.1", "2", "nan", "-inf", "?"])
    http = st.builds(
        HttpFacts, status_code=sizes, version=versions, redirects=sizes, body_bytes=sizes, content_length=sizes
    )
    dns = st.builds(DnsFacts, rcode=texts, answers=sizes, authority=sizes, additional=sizes)
    icmp = st.builds(IcmpFacts, size_bytes=sizes, hop_limit=st.none() | st.integers(0, 255))
    grpc = st.builds(
        GrpcFacts, status_code=st.integers(0, 16), serving=st.sampled_from(["", "SERVING", "UNKNOWN", "7"])
    )
    upgrade = http.map(lambda facts: replace(facts, status_code=101)) | http
    found = {"http": http, "dns": dns, "icmp": icmp, "grpc": grpc, "websocket": upgrade}
    return {"http" if kind == "websocket" else kind: st.none() | found[kind]} if kind in found else {}


def addresses(durations: st.SearchStrategy[float]) -> st.SearchStrategy[tuple[AddressResult, ...]]:
    each = st.builds(AddressResult, ip=texts, ok=st.booleans(), reason=st.none(), duration_seconds=durations)
    return st.lists(each, max_size=3, unique_by=lambda one: one.ip).map(tuple)


@st.composite
def results(draw: st.DrawFn, some: list[Target], durations: st.SearchStrategy[float]) -> ProbeResult:
    target = draw(st.sampled_from(some))
    return draw(
        st.builds(
            ProbeResult,
            target=st.just(target.name),
            region=st.sampled_from([REGION, REGION, "us"]),
            kind=st.just(target.kind),
            started_at=times,
            monotonic_seconds=st.sampled_from([NOW, NOW - 7, NOW - 1e4]),
            duration_seconds=durations,
            phases=st.dictionaries(st.sampled_from(Phase), durations).map(lambda found: tuple(found.items())),
            failure=st.none() | st.builds(Failure, st.sampled_from(FailureReason), texts),
            late_seconds=st.sampled_from([0.0, 0.2, 1.0]),
            suspect=st.booleans(),
            reprobe=st.sampled_from([False, False, True]),
            addresses=addresses(durations),
            address=st.sampled_from([None, "192.0.2.1", "2001:db8::1"]),
            tls=st.none() | sessions(),
            **facts_of(target.kind),
        )
    )


@st.composite
def grades(draw: st.DrawFn, some: list[Target]) -> ProbeResult:
    scores = {f"{name}_score": st.integers(0, 100) for name in ("protocol", "key_exchange", "cipher", "total")}
    letter = draw(st.sampled_from(["A+", "F", "T", "M", "Z"]))
    grade = st.builds(GradeFacts, letter=st.just(letter), letter_trust_ignored=texts, findings=st.just(()), **scores)
    return replace(
        draw(results(some, seconds)), kind="tls_grade", failure=None, http=None, grade=draw(st.none() | grade)
    )


Fleet = tuple[list[Target], list[Target], list[ProbeResult], list[str], bool]


@st.composite
def fleets(draw: st.DrawFn, durations: st.SearchStrategy[float] = seconds) -> Fleet:
    """Targets before and after a reload, results, targets with an incident, whether it is scraped in between."""
    some = draw(st.lists(targets(), min_size=1, max_size=5, unique_by=lambda target: target.name))
    after = draw(st.lists(st.sampled_from(some), unique_by=lambda target: target.name))
    changed = [
        draw(st.just(one) | targets().map(lambda new, one=one: new.model_copy(update={"name": one.name})))
        for one in after
    ]
    seen = draw(st.lists(results(some, durations) | grades(some), max_size=25))
    return some, changed, seen, draw(st.lists(st.sampled_from([one.name for one in some]))), draw(st.booleans())


def both(made: Fleet) -> tuple[Metrics, Reference]:
    some, after, seen, troubled, between = made
    metrics, reference = Metrics(some, region=REGION, monotonic=lambda: NOW), Reference(some, REGION)
    incidents = [
        replace(fleet.incident(), target=name, region=REGION, state=state, level=level)
        for name, state, level in zip(troubled, OPEN_STATES * 9, [*Level] * 9, strict=False)
    ]
    reference.now = NOW
    half, kinds = len(seen) // 2, {target.name: target.kind for target in after}
    later = [one for one in seen if one.kind in {kinds.get(one.target), "tls_grade"}]
    for told in (metrics, reference):
        told.observe(seen[:half])
        told.set_incidents(incidents)
        if between and isinstance(told, Metrics):
            told.render()  # what is kept from one scrape to the next must not outlive what it says
        told.observe(seen[half:])
        told.replace(after)
        told.observe(later[:3])
        told.set_incidents(incidents[1:])
    return metrics, reference


Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def parsed(body: bytes, parse: Callable[[str], Iterable[Metric]]) -> tuple[list[tuple[str, str, str]], Samples]:
    """Families in order, and samples; those of the daemon itself are left out."""
    wanted = {metric.name.removesuffix("_total") for metric in METRICS}
    families = [family for family in parse(body.decode()) if family.name in wanted]
    samples: Samples = {}
    for family in families:
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in samples, "twice"
            samples[key] = sample.value
    return [(family.name, family.type, family.documentation) for family in families], samples


def assert_same(ours: bytes, theirs: bytes, parse: Callable[[str], Iterable[Metric]]) -> None:
    (families, samples), (wanted_families, wanted) = parsed(ours, parse), parsed(theirs, parse)
    assert families == wanted_families
    assert samples.keys() - wanted.keys() == set()
    assert wanted.keys() - samples.keys() == set()
    wrong = {key: (samples[key], wanted[key]) for key in wanted if not close(samples[key], wanted[key])}
    assert wrong == {}


def close(ours: float, theirs: float) -> bool:
    """To nine digits of a duration and nanoseconds of a sum; to the millisecond of a time."""
    if math.isnan(theirs):
        return math.isnan(ours)
    return ours == theirs or (math.isclose(ours, theirs, rel_tol=5e-9, abs_tol=1e-9) and abs(ours - theirs) < 1e-3)


def registry_of(reference: Reference) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(reference)
    return registry


@given(fleets(odd_seconds))
def test_the_text_format_says_what_prometheus_client_would_say(made: Fleet) -> None:
    metrics, reference = both(made)
    assert_same(metrics.render()[0], text_of(registry_of(reference)), parse_text)


@given(fleets())
def test_openmetrics_says_what_prometheus_client_would_say(made: Fleet) -> None:
    """Its parser refuses a counter that is no number, and a histogram that does not add up."""
    metrics, reference = both(made)
    assert_same(metrics.render(OPENMETRICS)[0], openmetrics_of(registry_of(reference)), parse_openmetrics)


def test_more_targets_than_are_rendered_at_a_time() -> None:
    some = [Target(name=f"t{number}", url="http://a/") for number in range(TARGETS + 100)]
    probed = fleet.result("search", region="r", monotonic=NOW)
    seen = [replace(probed, target=one.name, duration_seconds=n / 1000) for n, one in enumerate(some) if n % 7]
    metrics, reference = Metrics(some, region="r", monotonic=lambda: NOW), Reference(some, "r")
    reference.now = NOW
    for told in (metrics, reference):
        told.observe(seen)
    assert_same(metrics.render()[0], text_of(registry_of(reference)), parse_text)
