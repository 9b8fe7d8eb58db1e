from __future__ import annotations

import pickle
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.engine.tally import NOBODY, Rows, Tally
from probes.engine.tally_columns import FAILURE, INTERNAL, NEVER, REASON_NUMBERS, SUCCESS, mark_of
from probes.result import Failure, FailureReason, HttpFacts, Phase, ProbeResult, TlsSession
from probes.target import Target
from tests.support.counting import CountingProcess

BOUNDS = (0.1, 1.0)
API = Target.model_validate({"name": "api", "url": "http://a/", "slo": {"latency": {"p50": "50ms", "p99": "1s"}}})
TLS = TlsSession(
    version="TLS 1.3", cipher="c", not_after=datetime(2030, 1, 1, tzinfo=UTC), leaf_sha256="ab", verified=True
)
HTTP = HttpFacts(status_code=503, version="1.1", redirects=1, body_bytes=4, content_length=4)


def result(reason: FailureReason | None = None, **changes: Any) -> ProbeResult:
    probed = ProbeResult(
        target="api",
        region="eu",
        kind="http",
        started_at=datetime(2026, 1, 1, tzinfo=UTC),
        monotonic_seconds=5.0,
        duration_seconds=0.1,
        failure=None if reason is None else Failure(reason, "it failed"),
    )
    return replace(probed, **changes)


def counting(target: Target = API) -> Tally:
    tally = Tally.make(BOUNDS, 16)
    tally.claim(1, target)
    return tally


def row(tally: Tally, number: int = 1) -> dict[str, float]:
    """What is not 0 in a row."""
    return {name: tally[name][number] for name in tally.columns if tally[name][number]}


def test_outcomes_and_reasons() -> None:
    tally = counting()
    for reason in (None, None, FailureReason.TIMEOUT, FailureReason.BODY, FailureReason.INTERNAL):
        tally.record(1, result(reason))
    seen = row(tally)
    assert (seen["success"], seen["failure"], seen["internal"], seen["outcome"]) == (2, 2, 1, INTERNAL)
    failed = {name: count for name, count in seen.items() if name.startswith("failed_")}
    assert failed == {"failed_timeout": 1, "failed_body": 1, "failed_internal": 1}


def test_a_bound_belongs_to_its_bucket_and_failures_to_none() -> None:
    tally = counting()
    for seconds in (0.1, 0.11, 1.0, 1.1, 7.0):
        tally.record(1, result(duration_seconds=seconds))
    tally.record(1, result(FailureReason.TIMEOUT, duration_seconds=0.1))
    assert [tally[f"bucket_{number}"][1] for number in range(3)] == [1, 2, 2]
    assert tally["sum_seconds"][1] == pytest.approx(9.31)


def test_objectives_judge_what_succeeded() -> None:
    tally = counting()
    for seconds in (0.05, 0.3, 3.0):
        tally.record(1, result(duration_seconds=seconds))
    tally.record(1, result(FailureReason.RESET, duration_seconds=9.0))
    seen = row(tally)
    assert (seen["good_p50"], seen["bad_p50"], seen["good_p99"], seen["bad_p99"]) == (1, 2, 2, 1)


def test_a_suspect_result_is_an_outcome_but_no_latency() -> None:
    tally = counting()
    tally.record(1, result(suspect=True, duration_seconds=9.0, phases=((Phase.CONNECT, 9.0),)))
    tally.record(1, result(FailureReason.TIMEOUT, suspect=True))
    seen = row(tally)
    assert (seen["success"], seen["failure"], seen["suspect"]) == (1, 1, 2)
    assert not {name for name in seen if name.startswith(("bucket_", "good_", "bad_", "sum_"))}


def test_a_reprobe_is_seen_but_not_counted() -> None:
    tally = counting()
    tally.record(1, result())
    before = row(tally)
    tally.record(1, result(FailureReason.RESET, reprobe=True, suspect=True, late_seconds=9.0))
    seen = row(tally)
    assert seen.pop("outcome") == FAILURE
    assert seen.pop("reason") == REASON_NUMBERS[FailureReason.RESET]
    assert seen == {name: value for name, value in before.items() if name != "outcome"}


def test_late_is_what_the_schedule_calls_late() -> None:
    tally = counting(API.model_copy(update={"every": API.every * 6}))  # 60 s: late is what is more than 0.6 s
    for late_seconds in (0.0, 0.5, 0.7):
        tally.record(1, result(late_seconds=late_seconds))
    assert tally["late"][1] == 1


def test_the_newest_result_replaces_the_one_before() -> None:
    tally = counting()
    phases = ((Phase.RESOLVE, 0.25), (Phase.CONNECT, 0.5))
    tally.record(1, result(phases=phases, address="2001:db8::1", tls=TLS, http=HTTP))
    seen = row(tally)
    assert (seen["outcome"], seen["ip_protocol"], seen["tls"], seen["answered"]) == (SUCCESS, 6, 1, 1)
    assert (seen["last_resolve"], seen["last_connect"], seen["sum_connect"]) == (0.25, 0.5, 0.5)
    assert (seen["http_status_code"], seen["http_version"], seen["http_redirects"]) == (503, 1.1, 1)
    assert seen["not_after"] == TLS.not_after.timestamp()
    assert (seen["started_at"], seen["monotonic_seconds"]) == (result().started_at.timestamp(), 5.0)
    tally.record(1, result(FailureReason.BODY, address="192.0.2.1"))
    seen = row(tally)
    assert (seen["outcome"], seen["ip_protocol"], seen["reason"]) == (FAILURE, 4, REASON_NUMBERS[FailureReason.BODY])
    assert (seen["http_content_length"], seen["sum_connect"]) == (-1, 0.5)
    assert not {"tls", "answered", "last_connect", "http_status_code", "http_version"} & seen.keys()
    assert seen["not_after"] == TLS.not_after.timestamp(), "the expiry is kept through an outage"


@pytest.mark.parametrize("version", ["", "HTTP/9", "9\udcff"])
def test_odd_facts_of_a_server_are_counted_as_none(version: str) -> None:
    tally = counting()
    tally.record(1, result(http=replace(HTTP, version=version, content_length=10**30)))
    assert (tally["http_version"][1], tally["http_content_length"][1]) == (0, -1)
    assert tally["success"][1] == 1


def test_an_expiry_at_the_beginning_of_time_is_one() -> None:
    tally = counting()
    tally.record(1, result(tls=replace(TLS, not_after=datetime(1970, 1, 1, tzinfo=UTC))))
    assert tally["not_after"][1] != 0


def test_a_grade_is_not_counted() -> None:
    tally, before = counting(), row(counting())
    tally.record(1, result(kind="tls_grade"))
    assert row(tally) == before


def test_a_row_stays_its_targets_until_another_claims_it() -> None:
    tally = counting()
    tally.record(1, result())
    tally.claim(1, API.model_copy(update={"every": API.every * 2}))
    assert tally["success"][1] == 1
    tally.claim(1, API.model_copy(update={"name": "web"}))
    assert row(tally) == {"owner": mark_of("web"), "address": mark_of(API.url)}


def test_at_another_address_counters_go_on_and_what_was_seen_last_is_forgotten() -> None:
    tally = counting()
    tally.record(1, result(tls=TLS))
    tally.claim(1, API.model_copy(update={"url": "http://elsewhere/"}))
    assert (tally["success"][1], tally["outcome"][1], tally["not_after"][1]) == (1, NEVER, 0)


def test_nobodys_row_is_refused() -> None:
    with pytest.raises(ValueError, match="nobody"):
        counting().claim(NOBODY, API)


@given(st.lists(st.lists(st.sampled_from("abcdefgh"), unique=True)))
def test_a_target_keeps_its_row_and_no_two_share_one(reloads: list[list[str]]) -> None:
    rows, before = Rows(9), dict[str, int]()
    for names in reloads:
        now = dict(rows.assign(names))
        assert now.keys() == set(names)
        assert len(set(now.values())) == len(names)
        assert NOBODY not in now.values()
        assert {name: now[name] for name in now.keys() & before.keys()}.items() <= before.items()
        before = now


def test_too_many_targets_for_the_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="5 targets are too many for one worker's 5 rows"):
        Rows(5).assign("abcde")


@pytest.mark.parametrize("start", ["spawn", "forkserver"])
def test_what_a_worker_counts_is_read_here_and_survives_it(start: str) -> None:
    tally, rows = Tally.make(BOUNDS, shared=True), Rows().assign(["api"])
    first = CountingProcess(tally, rows, [API], start)
    first.count(result(duration_seconds=0.05), result(duration_seconds=0.5), result(FailureReason.TIMEOUT))
    assert (tally["success"][1], tally["failure"][1], tally["outcome"][1]) == (2, 1, FAILURE)
    assert tally["sum_seconds"][1] == pytest.approx(0.55)
    first.process.kill()
    first.process.join(30)
    second = CountingProcess(tally, rows, [API], start)
    assert tally["success"][1] == 2
    second.count(result())
    assert (tally["success"][1], tally["bad_p50"][1]) == (3, 2)
    second.end()


def test_only_a_shared_tally_can_be_given_away() -> None:
    with pytest.raises(TypeError, match="only shared memory"):
        pickle.dumps(counting())
