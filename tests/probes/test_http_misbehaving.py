"""The HTTP probe against servers that misbehave: a bounded reason, bounded time, bounded memory."""

from __future__ import annotations

import ssl
import time
import tracemalloc
from typing import Any

import pytest
import trustme
from pydantic import SecretStr

from probes.engine.failures import MAX_DETAIL_CHARACTERS
from probes.result import FailureReason, Phase, ProbeResult
from tests.probes.support import detail, probe, reason
from tests.support.misbehaving import BEHAVIOURS, OK, Misbehaving, Peer

SECRET = "s3cret-value-of-a-header"
EXPECTED = {
    "never_answers": FailureReason.TIMEOUT,
    "closes_at_once": FailureReason.RESET,
    "closes_in_the_headers": FailureReason.RESET,
    "closes_in_the_body": FailureReason.RESET,
    "closes_in_a_chunk": FailureReason.RESET,
    "resets_at_once": FailureReason.RESET,
    "resets_in_the_body": FailureReason.RESET,
    "drips_headers": FailureReason.TIMEOUT,
    "drips_body": FailureReason.TIMEOUT,
    "drips_chunks": FailureReason.TIMEOUT,
    "drips_trailers": FailureReason.TIMEOUT,
    "drips_interim": FailureReason.TIMEOUT,
    "hangs_in_the_body": FailureReason.TIMEOUT,
    "endless_headers": FailureReason.TOO_LARGE,
    "endless_header": FailureReason.TOO_LARGE,
    "endless_line": FailureReason.TOO_LARGE,
    "endless_empty_lines": FailureReason.TOO_LARGE,
    "endless_interim": FailureReason.TOO_LARGE,
    "endless_bare_interim": FailureReason.TOO_LARGE,
    "endless_body": None,
    "gigabyte_body": None,
    "endless_chunks": None,
    "endless_chunk_extension": FailureReason.TOO_LARGE,
    "endless_chunk_size": FailureReason.TOO_LARGE,
    "endless_trailers": FailureReason.TOO_LARGE,
    "not_http": FailureReason.PROTOCOL,
    "not_http_status": FailureReason.PROTOCOL,
    "not_http_version": FailureReason.PROTOCOL,
    "not_http_length": FailureReason.PROTOCOL,
    "not_http_both": FailureReason.PROTOCOL,
    "not_http_chunk": FailureReason.PROTOCOL,
    "http_2": FailureReason.PROTOCOL,
    "not_text": None,
    "compressed_bomb": None,
    "compressed_twice": None,
    "not_compressed": None,
}
TIMEOUT_SECONDS = 0.4
# What the kernel holds of a connection's data on both sides, and what is read at once.
SLACK_BYTES = 16_000_000


@pytest.fixture(scope="module")
def server_tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    return context


async def unhindered(url: str, **options: Any) -> ProbeResult:
    """A busy machine may hold the prober up, which then says that the timeout was its own: it is asked again."""
    while True:
        result = await probe(url, **options)
        if reason(result) is not FailureReason.INTERNAL or "stood still" not in detail(result):
            return result


@pytest.mark.parametrize("secure", [False, True])
@pytest.mark.parametrize("behaviour", BEHAVIOURS)
async def test_each_ends_in_time_with_a_reason_and_without_filling_the_memory(
    behaviour: str, secure: bool, server_tls: ssl.SSLContext
) -> None:
    timeout = f"{TIMEOUT_SECONDS * 1000:g}ms" if EXPECTED[behaviour] is FailureReason.TIMEOUT else "20s"
    asked = {"timeout": timeout, "every": "30s", "max_body_bytes": 100_000, "tls": {"verify": False}}
    with Misbehaving(behaviour, tls=server_tls if secure else None) as server:
        await probe(server.url, **asked)  # imports are no part of it
        tracemalloc.start()
        began = time.monotonic()
        result = await unhindered(server.url, **asked)
        took, (_, peak_bytes) = time.monotonic() - began, tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert (result.tls is not None) is secure
    assert reason(result) is EXPECTED[behaviour], result.failure
    assert took < 10
    assert peak_bytes < 4_000_000
    assert server.sent_bytes < 2 * SLACK_BYTES
    assert result.failure is None or len(result.failure.detail) <= MAX_DETAIL_CHARACTERS


@pytest.mark.parametrize("behaviour", ["endless_body", "gigabyte_body", "endless_chunks"])
async def test_a_body_above_the_limit_is_cut_and_the_result_says_so(behaviour: str) -> None:
    with Misbehaving(behaviour) as server:
        result = await probe(server.url, max_body_bytes=1000)
    assert result.http is not None
    assert (result.http.body_bytes, result.http.body_cut) == (1000, True)


@pytest.mark.parametrize(
    ("expect", "failure"),
    [
        ({"body": {"regex": "xxx"}}, None),  # found in what was read: no more is needed
        ({"body": {"regex": "y"}}, FailureReason.TOO_LARGE),  # may come later
        ({"body": {"not_regex": "y"}}, FailureReason.TOO_LARGE),
        ({"body": {"not_regex": "x"}}, FailureReason.BODY),
        ({"json": {"a": 1}}, FailureReason.TOO_LARGE),
        ({"status": [404]}, FailureReason.STATUS),
    ],
)
async def test_a_cut_body_decides_only_what_it_can(expect: dict[str, object], failure: FailureReason | None) -> None:
    with Misbehaving("gigabyte_body") as server:
        assert reason(await probe(server.url, max_body_bytes=1000, expect=expect)) is failure


async def test_a_timeout_names_the_phase_and_keeps_those_that_were_reached() -> None:
    with Misbehaving("hangs_in_the_body") as server:
        result = await unhindered(server.url, timeout="300ms")
    assert "the rest of the answer" in detail(result)
    assert [phase for phase, _ in result.phases][-2:] == [Phase.PROCESSING, Phase.TRANSFER]
    assert 0.25 < dict(result.phases)[Phase.TRANSFER] <= result.duration_seconds


async def test_the_deadline_is_for_the_whole_probe_redirects_included() -> None:
    async def drip_redirect(peer: Peer) -> None:
        await peer.send(b"HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 4\r\n\r\n")
        await peer.drip(b"x")

    with Misbehaving(drip_redirect) as server:
        began = time.monotonic()
        result = await unhindered(server.url, timeout="300ms", max_redirects=20)
    assert reason(result) is FailureReason.TIMEOUT
    assert time.monotonic() - began < 5
    assert server.connections >= 2


async def test_a_body_that_is_not_text_is_searched_with_its_bad_bytes_replaced() -> None:
    with Misbehaving("not_text") as server:
        assert (await probe(server.url, expect={"body": {"regex": "ok"}})).ok
        assert reason(await probe(server.url, expect={"body": {"regex": "nein"}})) is FailureReason.BODY
        assert reason(await probe(server.url, expect={"json": {"a": 1}})) is FailureReason.JSON


@pytest.mark.parametrize(
    ("expect", "failure"),
    [
        ({"body": {"regex": "\\x00"}}, None),  # found in what was unpacked: no more is needed
        ({"body": {"regex": "ok"}}, FailureReason.TOO_LARGE),
        ({"json": {"a": 1}}, FailureReason.TOO_LARGE),
        ({"size": {"max": 100_000_000}}, FailureReason.TOO_LARGE),
    ],
)
async def test_a_compressed_bomb_is_unpacked_to_the_limit(
    expect: dict[str, object], failure: FailureReason | None
) -> None:
    with Misbehaving("compressed_bomb") as server:
        result = await probe(server.url, max_body_bytes=100_000, expect=expect)
    assert reason(result) is failure
    assert result.http is not None
    assert result.http.body_bytes == result.http.content_length < 100_000, "as it came"
    assert result.http.unpacked_bytes == 100_000


async def test_the_end_of_tls_is_the_end_of_the_body_though_the_connection_stays_open(
    server_tls: ssl.SSLContext,
) -> None:
    async def end(peer: Peer) -> None:
        await peer.send(OK + b"\r\nuntil the end")
        peer.writer.close()  # says so within TLS, and waits for the other side to say so, too
        await peer.hang()

    with Misbehaving(end, tls=server_tls) as server:
        result = await probe(server.url, tls={"verify": False}, expect={"body": {"regex": "until the end$"}})
    assert result.failure is None


async def test_a_body_that_is_not_what_its_coding_says_cannot_be_judged() -> None:
    with Misbehaving("not_compressed") as server:
        result = await probe(server.url, expect={"body": {"regex": "ok"}})
    assert reason(result) is FailureReason.BODY
    assert "'gzip', and cannot be unpacked" in detail(result)
    assert result.http is not None
    assert result.http.unpacked_bytes is None


async def test_garbage_in_place_of_tls() -> None:
    with Misbehaving("not_http") as server:
        assert reason(await probe(server.url.replace("http:", "https:"))) is FailureReason.TLS
    with Misbehaving("closes_at_once") as server:
        assert reason(await probe(server.url.replace("http:", "https:"))) is FailureReason.TLS
    with Misbehaving("never_answers") as server:
        result = await unhindered(server.url.replace("http:", "https:"), timeout="200ms")
    assert reason(result) is FailureReason.TIMEOUT
    assert "TLS handshake" in detail(result)


async def test_secret_headers_stay_with_their_origin() -> None:
    async def answer(peer: Peer) -> None:
        await peer.send(OK + b"Content-Length: 2\r\n\r\nok")

    with Misbehaving(answer) as other:

        async def redirect(peer: Peer) -> None:
            await peer.send(b"HTTP/1.1 307 Elsewhere\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n" % other.url.encode())

        with Misbehaving(redirect) as server:
            headers = {"Authorization": SecretStr(SECRET)}
            assert (await probe(server.url, headers=headers, method="POST", body="hello")).ok
    assert SECRET.encode() in server.requests[0]
    assert SECRET.encode() not in other.requests[0]
    assert other.requests[0].startswith(b"POST / ")
    assert other.requests[0].endswith(b"hello")


async def test_a_secret_that_the_service_sends_back_is_not_told() -> None:
    async def echo(peer: Peer) -> None:
        body = b'{"you": "%s%s", "query": "token=abcdef"}' % (b"." * 70, SECRET.encode())
        await peer.send(OK + b"Content-Length: %d\r\n\r\n" % len(body) + body)

    with Misbehaving(echo) as server:
        for path in ("you", "query"):
            result = await probe(
                server.url + "?token=abcdef", headers={"X-Key": SecretStr(SECRET)}, expect={"json": {path: "x"}}
            )
            assert "***" in detail(result)
            assert SECRET[:8] not in repr(result), "nor a part of it"
            assert "abcdef" not in repr(result)


async def test_a_part_of_a_secret_that_the_service_sends_back_is_not_told() -> None:
    async def echo(peer: Peer) -> None:
        body = b'{"bearer": "%s", "key": "abc def"}' % SECRET.encode()
        await peer.send(OK + b"Content-Length: %d\r\n\r\n" % len(body) + body)

    with Misbehaving(echo) as server:
        for path in ("bearer", "key"):
            headers = {"Authorization": SecretStr(f"Bearer {SECRET}")}
            result = await probe(server.url + "?v=2&key=abc%20def", headers=headers, expect={"json": {path: "up"}})
            assert detail(result) == f'{path} is "***", expected "up"'


@pytest.mark.parametrize(
    ("location", "failure"),
    [
        ("http://127.0.0.1:99999/", FailureReason.REDIRECT),
        ("http://127.0.0.1:0/", FailureReason.REDIRECT),
        (f"https://{'.'.join(['long' * 15] * 6)}/", FailureReason.DNS),
        ("https://xn--zzzzzz.invalid/", FailureReason.REDIRECT),
        ("https://a..invalid/", FailureReason.DNS),
    ],
)
async def test_a_redirect_to_nowhere_is_never_taken_for_a_fault_of_ours(location: str, failure: FailureReason) -> None:
    async def redirect(peer: Peer) -> None:
        await peer.send(b"HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n" % location.encode())

    with Misbehaving(redirect) as server:
        assert reason(await probe(server.url)) is failure


@pytest.mark.parametrize(
    "date", ["Mon, 99999999999 Jan 2024 00:00:00 GMT", "Mon, 01 Jan 2024 00:00:00 +99999999999999999"]
)
async def test_a_date_that_is_none_does_not_hide_a_failure(date: str) -> None:
    async def answer(peer: Peer) -> None:
        await peer.send(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\nLast-Modified: %b\r\n\r\n" % date.encode())

    with Misbehaving(answer) as server:
        result = await probe(server.url)
    assert reason(result) is FailureReason.STATUS
    assert result.http is not None
    assert result.http.last_modified_seconds is None
