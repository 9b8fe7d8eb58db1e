"""The HTTP probe over HTTP/2, against a real nginx."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from probes.result import FailureReason, Phase
from tests.probes.support import probe, reason
from tests.support.nginx import LOCATIONS, Nginx

SMALL = len("ok: a small body of a health check\n")
NOT_VERIFIED = {"verify": False}


async def test_a_good_answer_has_its_phases_and_facts(nginx: Nginx) -> None:
    result = await probe(nginx.http2_url + "/json", http2=True, tls={"ca_file": nginx.ca_file})
    assert result.failure is None
    phases = [Phase.RESOLVE, Phase.CONNECT, Phase.TLS, Phase.PROCESSING, Phase.TRANSFER]
    assert [phase for phase, _ in result.phases] == phases
    assert result.http is not None
    assert (result.http.status_code, result.http.version) == (200, "2")
    assert result.http.body_bytes == result.http.content_length > 0
    assert result.tls is not None
    assert result.tls.verified


@pytest.mark.parametrize(("secure", "http2"), [("https_url", True), ("http2_url", False), ("http_url", True)])
async def test_http_1_1_is_spoken_where_only_one_side_has_http2(nginx: Nginx, secure: str, http2: bool) -> None:
    result = await probe(getattr(nginx, secure), http2=http2, tls={"ca_file": nginx.ca_file})
    assert result.failure is None
    assert result.http is not None
    assert (result.http.version, result.http.body_bytes) == ("1.1", SMALL)


async def test_redirects_expectations_and_methods_are_those_of_http(nginx: Nginx) -> None:
    options = {"http2": True, "tls": {"ca_file": nginx.ca_file}}
    moved = await probe(nginx.http2_url + "/moved", expect={"body": {"regex": "small"}}, **options)
    assert moved.ok
    assert moved.http is not None
    assert (moved.http.redirects, moved.http.version) == (1, "2")
    assert reason(await probe(nginx.http2_url + "/broken", **options)) is FailureReason.STATUS
    assert (await probe(nginx.http2_url + "/empty", **options)).ok
    head = await probe(nginx.http2_url, method="HEAD", **options)
    assert head.ok
    assert head.http is not None
    assert (head.http.body_bytes, head.http.content_length) == (0, SMALL)


async def test_a_connection_on_which_http2_was_spoken_is_not_kept(nginx: Nginx) -> None:
    for _ in range(2):
        result = await probe(nginx.http2_url, http2=True, reuse=True, tls={"ca_file": nginx.ca_file})
        assert result.ok
        assert {Phase.CONNECT, Phase.TLS} <= dict(result.phases).keys()


async def test_a_body_above_the_server_s_window_is_sent_as_it_opens(nginx: Nginx) -> None:
    options = {"method": "POST", "body": "x" * 300_000, "headers": {"Te": SecretStr("gzip")}}
    assert (await probe(nginx.http2_url, http2=True, tls={"ca_file": nginx.ca_file}, **options)).ok


async def test_a_long_answer_comes_whole_or_is_cut_at_the_limit(tmp_path: Path) -> None:
    (tmp_path / "long").write_bytes(b"x" * 900_000)
    with Nginx(tmp_path / "nginx", locations=f"location = /long {{ alias {tmp_path}/long; }}") as server:
        for most, cut in ((1_048_576, False), (900_000, False), (899_999, True), (0, True)):
            options = {"http2": True, "tls": NOT_VERIFIED, "max_body_bytes": most}
            result = await probe(server.http2_url + "/long", **options)
            assert result.ok
            assert result.http is not None
            assert (result.http.body_bytes, result.http.body_cut) == (min(most, 900_000), cut)


async def test_a_server_that_closes_after_each_answer_may_finish_it(tmp_path: Path) -> None:
    """With it nginx sends GOAWAY before the answer."""
    with Nginx(tmp_path, locations="keepalive_timeout 0;" + LOCATIONS) as server:
        result = await probe(server.http2_url, http2=True, tls={"ca_file": server.ca_file})
    assert result.failure is None
    assert result.http is not None
    assert result.http.body_bytes == SMALL
