"""The TCP probe."""

from __future__ import annotations

from probes.result import FailureReason, Phase
from tests.probes.support import detail, probe, reason
from tests.support.misbehaving import full_backlog
from tests.support.nginx import Nginx
from tests.support.wait import free_port


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
