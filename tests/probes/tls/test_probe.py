"""The probe: a scan and its grade as a result."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from probes import load
from probes.context import ProbeContext
from probes.result import FailureReason
from probes.target import Target
from probes.tls.facts import Protocol
from probes.tls.grade import rate
from probes.tls.probe import grade_facts, session_of
from tests.probes.tls.certs import authority, leaf, pem, write
from tests.probes.tls.samples import ANONYMOUS, NOW, certificate, chain, facts, only
from tests.probes.tls.servers import MODERN, Nginx
from tests.support.wait import free_port

CONTEXT = ProbeContext(region="here", late_seconds=0.25)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Path]]:
    folder = tmp_path_factory.mktemp("probe")
    root = authority("Root")
    (folder / "ca.pem").write_bytes(pem(root.certificate))
    nginx = Nginx(folder)
    port = nginx.add(*write(folder, "good", leaf(root, ["web.test"])), MODERN)
    with nginx.run():
        yield port, folder / "ca.pem"


def target(port: int, **tls: Any) -> Target:
    return Target.model_validate(
        {"name": "web", "url": f"https://127.0.0.1:{port}/health", "tls": {"grade": "A", **tls}}
    )


async def test_a_graded_endpoint(server: tuple[int, Path]) -> None:
    port, ca_file = server
    result = await load("tls_grade")(target(port, ca_file=ca_file, server_name="web.test"), CONTEXT)
    assert result.ok, result.failure
    assert (result.kind, result.target, result.region, result.late_seconds) == ("tls_grade", "web", "here", 0.25)
    assert result.address == "127.0.0.1"
    assert result.duration_seconds > 0
    assert result.grade is not None
    assert (result.grade.letter, result.grade.letter_trust_ignored) == ("A", "A")
    assert (result.grade.protocol_score, result.grade.total_score) == (100, 96)
    assert [rule for rule, _ in result.grade.findings] == ["hsts_short"]
    assert result.tls is not None
    assert (result.tls.version, result.tls.verified) == ("TLS 1.3", True)


async def test_a_bad_grade_is_no_failure(server: tuple[int, Path]) -> None:
    result = await load("tls_grade")(target(server[0]), CONTEXT)
    assert result.ok
    assert result.grade is not None
    assert result.grade.letter == "T"
    assert result.tls is not None
    assert not result.tls.verified


async def test_an_endpoint_that_cannot_be_scanned() -> None:
    result = await load("tls_grade")(target(free_port()), CONTEXT)
    assert (result.grade, result.tls, result.address) == (None, None, None)
    assert result.failure is not None
    assert result.failure.reason is FailureReason.REFUSED


async def test_a_host_that_is_none() -> None:
    wrong = Target.model_validate({"name": "web", "url": "https://no_-/", "tls": {"grade": "A"}})
    result = await load("tls_grade")(wrong, CONTEXT)
    assert result.failure is not None
    assert result.failure.reason is FailureReason.DNS


def test_a_session_tells_the_first_end_of_the_chain() -> None:
    soon = replace(certificate(), not_after=NOW)
    session = session_of(facts(chains=(chain(certificates=(certificate(sha256="ab" * 32), soon)),)))
    assert session is not None
    assert (session.not_after, session.leaf_sha256, session.verified) == (NOW, "ab" * 32, True)
    assert session.version == Protocol.TLS_1_3.value


@pytest.mark.parametrize(
    "changes", [{"name_matches": False}, {"expired": ("CN=a",)}, {"not_yet_valid": ("CN=a",)}, {"revoked": True}]
)
def test_a_session_is_verified_only_when_all_is_well(changes: dict[str, Any]) -> None:
    session = session_of(facts(chains=(chain(**changes),)))
    assert session is not None
    assert not session.verified


def test_without_a_certificate_there_is_a_grade_but_no_session() -> None:
    bare = only({Protocol.TLS_1_2: (ANONYMOUS,)}, chains=())
    assert session_of(bare) is None
    assert grade_facts(rate(bare)).letter == "F"
