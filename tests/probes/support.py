"""Short ways to a target and a probe of it."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from probes import load
from probes.context import ProbeContext
from probes.engine.names.host_files import HOST_FILES, parse_hosts
from probes.engine.schedule import Job, phase_seconds
from probes.result import FailureReason, ProbeResult
from probes.target import Target
from tests.support.wait import auntil

CONTEXT = ProbeContext(region="test")
TRIES = 5


def target(url: str, **options: Any) -> Target:
    return Target(**{"name": "t", "url": url, **options})


async def probe(url: str, **options: Any) -> ProbeResult:
    return await probe_target(target(url, **options))


async def probe_target(asked: Target, context: ProbeContext = CONTEXT) -> ProbeResult:
    """Probes once more where this machine stood still meanwhile: then a timeout is not told as the service's."""
    for _ in range(TRIES - 1):
        result = await load(asked.kind)(asked, context)
        if not stood_still(result):
            return result
    return await load(asked.kind)(asked, context)


def stood_still(result: ProbeResult) -> bool:
    return reason(result) is FailureReason.INTERNAL and "the prober itself stood still" in detail(result)


def soon(url: str, count: int, **options: Any) -> list[Target]:
    """Targets whose names make them due within a second of the start."""
    names = (f"t{number}" for number in itertools.count())
    targets = (target(url, name=name, **options) for name in names)
    return list(itertools.islice((each for each in targets if phase_seconds(Job("http", each, 60.0)) < 1), count))


async def eventually(condition: Callable[[], object], what: str, seconds: float = 20.0) -> None:
    """Wait until `condition` is truthy; AssertionError after `seconds`."""

    async def now() -> object:
        return condition()

    await auntil(now, seconds=seconds, what=what)


def reason(result: ProbeResult) -> FailureReason | None:
    return result.failure.reason if result.failure else None


def detail(result: ProbeResult) -> str:
    assert result.failure is not None
    return result.failure.detail


def use_hosts(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """As if these lines stood in /etc/hosts, too. A name is for one test only: what is known of it is kept."""
    HOST_FILES.look()
    monkeypatch.setattr(HOST_FILES, "hosts", HOST_FILES.hosts | parse_hosts(text))


def use_name_servers(monkeypatch: pytest.MonkeyPatch, *ips: str) -> None:
    """As if /etc/resolv.conf named these."""
    HOST_FILES.look()
    monkeypatch.setattr(HOST_FILES, "resolv_conf", "".join(f"nameserver {ip}\n" for ip in ips))
