"""The TCP probe: connecting, and a dialogue."""

from __future__ import annotations

from typing import Any

import pytest
import trustme
from pydantic import SecretStr

from probes.context import ProbeContext
from probes.dialogue import Spoken
from probes.engine.exchange import Step
from probes.result import Clock, FailureReason, Phase, ProbeResult
from tests.probes.support import detail, probe, probe_target, reason, target
from tests.support.misbehaving import full_backlog
from tests.support.nginx import Nginx
from tests.support.speaker import Speaker, Turn, begin_tls, drip, hang, hear, repeat
from tests.support.wait import free_port

SECRET = "hunter2-hunter2"


async def talk(turns: list[Turn], dialogue: list[dict[str, Any]], **options: Any) -> tuple[ProbeResult, list[bytes]]:
    """What a probe with this dialogue finds, and what the server heard."""
    with Speaker(turns) as server:
        result = await probe(f"tcp://127.0.0.1:{server.port}", dialogue=dialogue, **options)
    return result, server.heard


async def test_a_port_that_accepts(nginx: Nginx) -> None:
    result = await probe(f"tcp://127.0.0.1:{nginx.http_port}")
    assert result.ok
    assert (result.kind, result.address) == ("tcp", "127.0.0.1")
    assert [phase for phase, _ in result.phases] == [Phase.RESOLVE, Phase.CONNECT]


async def test_a_port_that_refuses() -> None:
    result = await probe(f"tcp://127.0.0.1:{free_port()}")
    assert reason(result) is FailureReason.REFUSED


async def test_a_port_that_does_not_answer_in_time() -> None:
    with full_backlog() as port:
        result = await probe(f"tcp://127.0.0.1:{port}", timeout="300ms")
    assert reason(result) is FailureReason.TIMEOUT
    assert "connection to be accepted" in detail(result)
    assert dict(result.phases)[Phase.CONNECT] > 0.2


async def test_a_dialogue_of_several_steps_with_what_was_heard_said_again() -> None:
    """blackbox_exporter's own example: IRC, which wants to be answered with what it sent."""
    result, heard = await talk(
        [hear, b":a NOTICE * :Looking up\r\nPING :4711\r\n", hear, b":irc.example.com 001 prober :Welcome\r\n", hang],
        [
            {"send": "NICK prober"},
            {"expect": "PING :([^ ]+)", "send": "PONG ${1} for $$1\r\n"},
            {"expect": "^:(?P<server>[^ ]+) 001"},
        ],
    )
    assert result.failure is None
    assert heard == [b"NICK prober\n", b"PONG 4711 for $1\r\n"]
    phases = [Phase.RESOLVE, Phase.CONNECT, Phase.PROCESSING, Phase.TRANSFER]
    assert [phase for phase, _ in result.phases] == phases


async def test_the_kernel_says_when_an_answer_came() -> None:
    clocks = [(await talk([b"hello\n"], [{"expect": "h"}]))[0].clock for _ in range(10)]
    assert Clock.KERNEL in clocks, "a stamp is not used when this process was held up beside it"


async def test_processing_lasts_to_the_first_expected_line_and_transfer_to_the_last() -> None:
    result, _ = await talk(
        [drip(b"slowly" * 5 + b"\n"), b"one\n", drip(b"slowly" * 5 + b"\n"), b"two\n"],
        [{"expect": "one"}, {"expect": "two"}],
    )
    assert result.ok
    phases = dict(result.phases)
    assert phases[Phase.PROCESSING] > 0.2
    assert phases[Phase.TRANSFER] > 0.2
    assert result.duration_seconds >= 0.4


async def test_a_dialogue_that_only_sends() -> None:
    result, heard = await talk([hear, hang], [{"send": "x"}])
    assert result.ok
    assert heard == [b"x\n"]
    assert [phase for phase, _ in result.phases][-1] is Phase.PROCESSING


async def test_bytes_that_are_no_text_come_back_as_they_came() -> None:
    result, heard = await talk([b"\xff\xc3\xa9\x80!\n", hear], [{"expect": "^(.+)!", "send": "${1}"}])
    assert result.ok
    assert heard == [b"\xff\xc3\xa9\x80\n"]


@pytest.mark.parametrize(
    ("turns", "said"),
    [
        ([b"554 go away\r\n"], "expected '^220', but the connection was closed; the last line was '554 go away'"),
        ([], "expected '^220', but the connection was closed; no line came"),
        ([b"half a li"], "the last line was 'half a li'"),
        ([b"a\x1b[31m\x00\xff\n"], r"'a\x1b[31m\x00�'"),
        ([b"x" * 500 + b"\n"], "'" + "x" * 79 + "..."),
        ([repeat(b"x" * 8192)], "65536 bytes came without it; a line without an end came: 'xxx"),
        ([repeat(b"noise\n" * 1000)], "65536 bytes came without it; the last line was 'noise'"),
    ],
)
async def test_an_answer_that_is_not_as_expected(turns: list[Turn], said: str) -> None:
    result, _ = await talk(turns, [{"expect": "^220"}])
    assert reason(result) is FailureReason.RESPONSE
    assert said in detail(result)


@pytest.mark.parametrize(
    ("turns", "said"),
    [
        ([hang], "for a line with '^220'; no line came"),
        ([b"login: ", hang], "for a line with '^220'; a line without an end came: 'login: '"),
        ([b"wait\n", hang], "for a line with '^220'; the last line was 'wait'"),
        ([repeat(b"x", pause_seconds=0.01)], "a line without an end came: 'xxx"),
        ([repeat(b"no\n", pause_seconds=0.01)], "the last line was 'no'"),
    ],
)
async def test_an_answer_that_does_not_come_in_time(turns: list[Turn], said: str) -> None:
    result, _ = await talk(turns, [{"expect": "^220"}], timeout="300ms")
    assert reason(result) is FailureReason.TIMEOUT
    assert said in detail(result)


async def test_a_pattern_that_would_search_for_ever_is_stopped_once_for_all_lines() -> None:
    result, _ = await talk([repeat((b"a" * 40 + b"b\n") * 100)], [{"expect": "(a+)+$"}])
    assert reason(result) is FailureReason.RESPONSE
    assert "more than 0.25 s of CPU; simplify" in detail(result)


def spoken(*parts: str | SecretStr) -> Spoken:
    return Spoken(parts)


@pytest.mark.parametrize(
    ("turns", "reason_"),
    [
        ([hear, b"ERR unknown command PASS hunter2-hunter2\r\n"], FailureReason.RESPONSE),
        ([hear, b"ERR hunter2-hunter2\r\n", hang], FailureReason.TIMEOUT),
        ([hear, b"ERR unknown command PASS hunter2-hunt", hang], FailureReason.TIMEOUT),
    ],
)
async def test_a_secret_is_sent_as_it_is_and_never_shown(turns: list[Turn], reason_: FailureReason) -> None:
    steps: list[Step] = []
    with Speaker(turns) as server:
        asked = target(
            f"tcp://127.0.0.1:{server.port}",
            dialogue=[{"send": spoken("PASS ", SecretStr(SECRET), "\r")}, {"expect": "^OK"}],
            timeout="300ms",
        )
        result = await probe_target(asked, ProbeContext(region="test", steps=steps))
    assert set(server.heard) == {b"PASS hunter2-hunter2\r\n"}
    assert reason(result) is reason_
    shown = f"{asked!r} {asked} {asked.model_dump_json()} {result} {[step.told() for step in steps]}"
    assert "hunter2" not in shown
    assert any(step.what == "said" and "PASS ***" in step.told() for step in steps)


async def test_a_secret_is_not_filled_in() -> None:
    result, heard = await talk([b"hello\n", hear], [{"expect": "(h)", "send": spoken(SecretStr("pa$$${1}word"))}])
    assert result.ok
    assert heard == [b"pa$$${1}word\n"]


async def test_tls_in_the_midst_of_a_dialogue(tmp_path: Any) -> None:
    ca = trustme.CA()
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    turns: list[Turn] = [b"hello\n", hear, b"go\n", begin_tls, hear, b"safe\n"]
    with Speaker(turns, ca.issue_cert("127.0.0.1")) as server:
        result = await probe(
            f"tcp://127.0.0.1:{server.port}",
            dialogue=[
                {"expect": "hello", "send": "STARTTLS"},
                {"expect": "go", "starttls": True},
                {"send": "inside"},
                {"expect": "safe"},
            ],
            tls={"ca_file": tmp_path / "ca.pem"},
        )
    assert result.failure is None
    assert result.tls is not None
    assert result.tls.verified
    assert server.heard == [b"STARTTLS\n", b"inside\n"]
    assert {Phase.TLS, Phase.PROCESSING, Phase.TRANSFER} <= dict(result.phases).keys()


async def test_what_comes_in_the_clear_before_tls_is_never_taken_for_protected() -> None:
    result, _ = await talk([b"go\nOK you are in\n", hang], [{"expect": "go", "starttls": True}, {"expect": "OK"}])
    assert reason(result) is FailureReason.PROTOCOL
    assert "CVE-2011-0411" in detail(result)
