"""The gRPC probe: a real server of grpcio with its health service, and servers that end a call wrongly."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import trustme
from pydantic import SecretStr

from probes.result import FailureReason, Phase
from tests.probes.support import detail, probe, reason
from tests.support.grpc_server import GrpcServer, Status
from tests.support.misbehaving import BLOCK, Misbehaving, sends_and_hangs, sends_for_ever
from tests.support.misbehaving_http2 import BEGIN, BEHAVIOURS, data, headers
from tests.support.nginx import Nginx

SECRET = "s3cret-value-of-a-header"
GRPC_OK = headers((":status", "200"), ("content-type", "application/grpc"))
SERVING = b"\0\0\0\0\2\x08\1"
ENDED = headers(("grpc-status", "0"), end=True)


@pytest.fixture(scope="module")
def server() -> Iterator[GrpcServer]:
    statuses = {
        "": Status.SERVING,
        "shop.v1.Cart": Status.SERVING,
        "shop.v1.Stock": Status.NOT_SERVING,
        "shop.v1.New": Status.UNKNOWN,
        "shop.v1.Gone": Status.SERVICE_UNKNOWN,
        "a b": Status.SERVING,
    }
    with GrpcServer(statuses) as running:
        yield running


@pytest.mark.parametrize("path", ["", "/", "/shop.v1.Cart", "/a%20b"])
async def test_what_serves(server: GrpcServer, path: str) -> None:
    result = await probe(f"grpc://127.0.0.1:{server.port}{path}")
    assert result.failure is None
    assert (result.kind, result.address) == ("grpc", "127.0.0.1")
    assert result.grpc is not None
    assert (result.grpc.status_code, result.grpc.serving) == (0, "SERVING")
    phases = [Phase.RESOLVE, Phase.CONNECT, Phase.PROCESSING, Phase.TRANSFER]
    assert [phase for phase, _ in result.phases] == phases
    assert (result.http, result.tls) == (None, None)


@pytest.mark.parametrize(
    ("service", "serving"),
    [("shop.v1.Stock", "NOT_SERVING"), ("shop.v1.New", "UNKNOWN"), ("shop.v1.Gone", "SERVICE_UNKNOWN")],
)
async def test_what_does_not_serve_is_unhealthy(server: GrpcServer, service: str, serving: str) -> None:
    result = await probe(f"grpc://127.0.0.1:{server.port}/{service}")
    assert reason(result) is FailureReason.UNHEALTHY
    assert detail(result) == f"service '{service}' is {serving}, expected SERVING"
    assert result.grpc is not None
    assert (result.grpc.status_code, result.grpc.serving) == (0, serving)


async def test_a_service_that_is_not_known_and_a_server_without_a_health_service(server: GrpcServer) -> None:
    unknown = await probe(f"grpc://127.0.0.1:{server.port}/shop.v1.Typo")
    assert reason(unknown) is FailureReason.STATUS
    assert "5 (NOT_FOUND)" in detail(unknown)
    assert "does not know service 'shop.v1.Typo'" in detail(unknown)
    assert unknown.grpc is not None
    assert (unknown.grpc.status_code, unknown.grpc.serving) == (5, "")
    with GrpcServer(None) as bare:
        without = await probe(f"grpc://127.0.0.1:{bare.port}")
    assert reason(without) is FailureReason.STATUS
    assert "12 (UNIMPLEMENTED): Method not found!; it has no health service" in detail(without)


async def test_headers_are_sent_as_metadata_and_the_time_that_is_left_with_them(server: GrpcServer) -> None:
    options = {"headers": {"X-Key": SecretStr(f" {SECRET} "), "te": SecretStr("no"), "User-Agent": SecretStr("me")}}
    assert (await probe(f"grpc://127.0.0.1:{server.port}", timeout="3s", **options)).ok
    metadata = server.calls.metadata[-1]
    assert metadata["x-key"] == SECRET
    assert metadata["user-agent"] == "me"
    assert 1 < server.calls.seconds[-1] <= 3.001


async def test_over_tls(tmp_path: Path) -> None:
    ca = trustme.CA()
    ca_file = tmp_path / "ca.pem"
    ca.cert_pem.write_to_path(ca_file)
    with GrpcServer({"": Status.SERVING}, certificate=ca.issue_cert("localhost")) as server:
        result = await probe(f"grpcs://localhost:{server.port}", tls={"ca_file": ca_file})
        assert result.ok
        assert result.tls is not None
        assert result.tls.verified
        assert Phase.TLS in dict(result.phases)
        assert reason(await probe(f"grpcs://localhost:{server.port}")) is FailureReason.CERTIFICATE
        assert reason(await probe(f"grpc://localhost:{server.port}")) is FailureReason.RESET


async def test_servers_that_speak_http_but_no_grpc(nginx: Nginx) -> None:
    tls = {"ca_file": nginx.ca_file}
    found = await probe(nginx.http2_url.replace("https", "grpcs"), tls=tls)
    assert reason(found) is FailureReason.PROTOCOL
    assert "another content type" in detail(found)
    without_http2 = await probe(nginx.https_url.replace("https", "grpcs"), tls=tls)
    assert reason(without_http2) in {FailureReason.VERSION, FailureReason.TLS}  # ignored, or refused by an alert
    plain = await probe(nginx.http_url.replace("http", "grpc"))
    assert reason(plain) is FailureReason.PROTOCOL
    assert "HTTP/1" in detail(plain)


@pytest.mark.parametrize(
    ("wire", "expected"),
    [
        (GRPC_OK + data(SERVING) + ENDED, None),
        (GRPC_OK + data(SERVING[:3]) + data(SERVING[3:]) + ENDED, None),
        (GRPC_OK + data(SERVING, end=True), FailureReason.PROTOCOL),
        (GRPC_OK + ENDED, FailureReason.PROTOCOL),
        (GRPC_OK + data(SERVING + SERVING) + ENDED, FailureReason.PROTOCOL),
        (headers((":status", "200"), ("grpc-status", "7"), end=True), FailureReason.STATUS),
        (headers((":status", "503"), ("content-type", "text/html"), end=True), FailureReason.STATUS),
    ],
)
async def test_how_a_call_ends(wire: bytes, expected: FailureReason | None) -> None:
    with Misbehaving(partial(sends_and_hangs, BEGIN + wire)) as server:
        assert reason(await probe(server.url.replace("http", "grpc"))) is expected


@pytest.mark.parametrize(
    ("behaviour", "expected"),
    [
        ("endless_pings", FailureReason.TOO_LARGE),
        ("header_bomb", FailureReason.TOO_LARGE),
        ("endless_body", FailureReason.PROTOCOL),  # of another content type
        ("goes_away", FailureReason.RESET),
        ("never_answers", FailureReason.TIMEOUT),
    ],
)
async def test_servers_that_misbehave(behaviour: str, expected: FailureReason) -> None:
    with Misbehaving(BEHAVIOURS[behaviour]) as server:
        timeout = "400ms" if expected is FailureReason.TIMEOUT else "10s"
        assert reason(await probe(server.url.replace("http", "grpc"), timeout=timeout, every="30s")) is expected


async def test_an_answer_without_an_end_is_too_large() -> None:
    with Misbehaving(partial(sends_for_ever, BEGIN + GRPC_OK, data(BLOCK[:16384]))) as server:
        assert reason(await probe(server.url.replace("http", "grpc"))) is FailureReason.TOO_LARGE


async def test_a_secret_that_the_server_sends_back_is_not_told() -> None:
    said = headers((":status", "200"), ("grpc-status", "16"), ("grpc-message", f"bad token {SECRET}"), end=True)
    with Misbehaving(partial(sends_and_hangs, BEGIN + said)) as server:
        options = {"headers": {"Authorization": SecretStr(f"Bearer {SECRET}")}}
        result = await probe(server.url.replace("http", "grpc"), **options)
    assert detail(result) == "gRPC status 16 (UNAUTHENTICATED): bad token ***"
    assert SECRET not in repr(result)
