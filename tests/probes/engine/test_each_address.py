"""The probes of several addresses as one result."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.engine.each_address import combined
from probes.engine.failures import MAX_DETAIL_CHARACTERS
from probes.result import AddressResult, Failure, FailureReason, ProbeResult, TlsSession
from tests.support.results import MIDNIGHT, result_at

RESOLVED = result_at(MIDNIGHT)


def one(ip: str, seconds: float = 0.1, failed: Failure | None = None, ends_in_days: int | None = None) -> ProbeResult:
    session = None
    if ends_in_days is not None:
        session = TlsSession(
            version="TLS 1.3",
            cipher="TLS_AES_256_GCM_SHA384",
            not_after=MIDNIGHT + timedelta(days=ends_in_days),
            leaf_sha256=ip,
            verified=True,
        )
    at = MIDNIGHT + timedelta(seconds=seconds)
    return replace(result_at(at), duration_seconds=seconds, address=ip, failure=failed, tls=session)


def test_while_all_are_good_the_slowest_counts() -> None:
    whole = combined(RESOLVED, [one("::1", 0.1), one("127.0.0.1", 0.3), one("127.0.0.2", 0.2)], ["a", "b", "c"])
    assert whole.ok
    assert (whole.address, whole.duration_seconds, whole.started_at) == ("127.0.0.1", 0.3, MIDNIGHT)
    assert whole.monotonic_seconds == pytest.approx(0.3)
    assert whole.addresses == tuple(
        AddressResult(ip=ip, ok=True, duration_seconds=seconds) for ip, seconds in (("a", 0.1), ("b", 0.3), ("c", 0.2))
    )


def test_when_one_fails_the_whole_does_and_the_worst_is_told_first() -> None:
    results = [
        one("127.0.0.1", 0.3),
        one("127.0.0.2", 0.1, Failure(FailureReason.STATUS, "status 500, expected 2xx")),
        one("127.0.0.3", 0.2, Failure(FailureReason.REFUSED, "Connection refused")),
    ]
    whole = combined(RESOLVED, results, [result.address or "" for result in results])
    assert whole.failure == Failure(
        FailureReason.REFUSED,
        "2 of 3 addresses fail: 127.0.0.3: Connection refused; 127.0.0.2: status 500, expected 2xx",
    )
    assert (whole.address, whole.duration_seconds) == ("127.0.0.3", 0.2)
    assert [(each.ok, each.reason) for each in whole.addresses] == [
        (True, None),
        (False, FailureReason.STATUS),
        (False, FailureReason.REFUSED),
    ]


def test_our_own_fault_on_one_address_hides_no_failure_of_another() -> None:
    results = [
        one("127.0.0.1", failed=Failure(FailureReason.INTERNAL, "no more files")),
        one("127.0.0.2", failed=Failure(FailureReason.JSON, "not up")),
    ]
    whole = combined(RESOLVED, results, ["127.0.0.1", "127.0.0.2"])
    assert whole.failure is not None
    assert whole.failure.reason is FailureReason.JSON


def test_the_certificate_that_ends_first_is_that_of_the_target() -> None:
    results = [one("a", 0.3, ends_in_days=90), one("b", 0.1, ends_in_days=3), one("c", 0.2)]
    session = combined(RESOLVED, results, ["a", "b", "c"]).tls
    assert session is not None
    assert session.leaf_sha256 == "b"


def test_a_name_with_one_address_fails_as_that_address_does() -> None:
    failed = Failure(FailureReason.REFUSED, "connecting to ::1 port 80: Connection refused")
    assert combined(RESOLVED, [one("::1", failed=failed)], ["::1"]).failure == failed


FAILURES = st.none() | st.builds(Failure, st.sampled_from(FailureReason), st.text(max_size=MAX_DETAIL_CHARACTERS))


@given(st.lists(st.tuples(st.ip_addresses().map(str), FAILURES), min_size=1, max_size=16), st.integers(0, 5))
def test_every_address_has_its_result_and_each_that_fails_is_named(
    rows: list[tuple[str, Failure | None]], more: int
) -> None:
    results = [one(ip, failed=failed) for ip, failed in rows]
    whole = combined(RESOLVED, results, [ip for ip, _ in rows] + ["192.0.2.1"] * more)
    assert [(each.ip, each.reason) for each in whole.addresses] == [
        (ip, failed.reason if failed else None) for ip, failed in rows
    ]
    assert whole.ok is all(failed is None for _, failed in rows)
    if whole.failure is not None:
        assert len(whole.failure.detail) <= MAX_DETAIL_CHARACTERS
        assert whole.failure.reason in {failed.reason for _, failed in rows if failed}
        if len(rows) + more > 1:
            assert (f"{more} more were not probed" in whole.failure.detail) is (more > 0)
