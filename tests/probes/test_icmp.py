"""The ICMP probe, against the kernels of networks of the test's own."""

from __future__ import annotations

import json
import pickle
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.engine.echo import checksum
from probes.result import Clock, FailureReason, IcmpFacts, Phase, ProbeResult
from tests.probes.support import detail, reason
from tests.support.network import ALONE, ROUTED, run_in_network

NOBODY, EVERYBODY = "1 0", "0 2147483647"  # of ping_group_range: whose groups may ping without privileges
RAW: dict[str, Any] = {"ping_group_range": NOBODY, "privileged": True}
DATAGRAM: dict[str, Any] = {"ping_group_range": EVERYBODY, "privileged": False}
KINDS = pytest.mark.parametrize("kind", [RAW, DATAGRAM], ids=["raw", "unprivileged"])
BOTH = ["icmp://127.0.0.1", "icmp://[::1]"]


def echoes(setup: str, targets: list[dict[str, Any]], *options: str, **kind: Any) -> list[ProbeResult]:
    argv = [sys.executable, "-m", "tests.probes.echoes", json.dumps(targets), *options]
    results: list[ProbeResult] = pickle.loads(run_in_network(argv, setup, **kind))
    return results


@KINDS
def test_a_host_that_replies(kind: dict[str, Any]) -> None:
    results = echoes(ALONE, [{"url": url, "timeout": "5s"} for url in BOTH * 5], **kind)
    for family in (results[::2], results[1::2]):  # a stamp is not used when this process was held up beside it
        assert Clock.KERNEL in [result.clock for result in family]
    for result in results:
        assert result.failure is None
        assert result.kind == "icmp"
        assert [phase for phase, _ in result.phases] == [Phase.RESOLVE, Phase.SETUP, Phase.RTT]
        assert 0 < dict(result.phases)[Phase.RTT] < 5
        assert result.icmp == IcmpFacts(size_bytes=56, hop_limit=64)


@KINDS
def test_probes_of_one_host_do_not_take_each_others_replies(kind: dict[str, Any]) -> None:
    targets = [{"url": BOTH[i % 2], "every": "60s", "timeout": "20s", "icmp": {"size": 16 + i}} for i in range(100)]
    results = echoes(ALONE, targets, **kind)
    assert [result.icmp and result.icmp.size_bytes for result in results] == [16 + i for i in range(100)]


def test_each_address_of_a_name_is_asked() -> None:
    (result,) = echoes(ALONE, [{"url": "icmp://localhost", "addresses": "all"}], **DATAGRAM)
    assert result.ok, result.failure
    assert [each.ok for each in result.addresses] == [True] * len(result.addresses)
    assert "127.0.0.1" in [each.ip for each in result.addresses]


def test_a_process_that_may_not_is_told_how_it_may() -> None:
    for result in echoes(ALONE, [{"url": url} for url in BOTH], ping_group_range=NOBODY, privileged=False):
        assert reason(result) is FailureReason.INTERNAL
        assert "sysctl net.ipv4.ping_group_range" in detail(result)
        assert "CAP_NET_RAW" in detail(result)


NOWHERE = {
    "10.1.0.1": "10.0.0.2 says: the host is unreachable",
    "10.2.0.1": "10.0.0.2 says: communication is administratively prohibited",
    "[fd00:1::1]": "fd00::2 says: there is no route",
    "[fd00:2::1]": "fd00::2 says: communication is administratively prohibited",
}
SHORT_OF_HOPS = {
    "10.4.0.1": "10.0.0.2 says: the TTL was used up on the way",
    "[fd00:4::1]": "fd00::2 says: the hop limit was used up on the way",
}
TOO_LARGE = {
    "10.4.0.1": "10.0.0.2 says: the packet is too large for the path and may not be fragmented (MTU 1280)",
    "[fd00:4::1]": "fd00::2 says: the packet is too large for the path (MTU 1280)",
}


@KINDS
def test_what_routers_say(kind: dict[str, Any]) -> None:
    cases: list[tuple[str, dict[str, Any], str]] = [
        *((host, {}, said) for host, said in NOWHERE.items()),
        *((host, {"ttl": 1}, said) for host, said in SHORT_OF_HOPS.items()),
        *((host, {"size": 1400, "dont_fragment": True}, said) for host, said in TOO_LARGE.items()),
    ]
    targets = [{"url": f"icmp://{host}", "timeout": "5s", "icmp": options} for host, options, _ in cases]
    results = echoes(ROUTED, targets, "--until", "icmp://[fd00::2]", **kind)
    assert [detail(result) for result in results] == [said for _, _, said in cases]
    assert {reason(result) for result in results} == {FailureReason.UNREACHABLE}


@KINDS
def test_large_packets_and_hosts_that_are_silent(kind: dict[str, Any]) -> None:
    near = ["icmp://10.0.0.2", "icmp://[fd00::2]"]
    targets: list[dict[str, Any]] = [
        *({"url": url, "timeout": "5s", "icmp": {"size": 5000}} for url in near),
        *({"url": url, "timeout": "5s", "icmp": {"size": 5000, "dont_fragment": True}} for url in near),
        *({"url": url, "timeout": "300ms"} for url in ("icmp://10.3.0.1", "icmp://[fd00:3::1]")),
    ]
    results = echoes(ROUTED, targets, "--until", near[1], **kind)
    assert [result.ok for result in results] == [True, True, False, False, False, False]
    for result in results[2:4]:
        assert reason(result) is FailureReason.INTERNAL
        assert "lower icmp.size, or leave out icmp.dont_fragment" in detail(result)
    for result in results[4:]:
        assert reason(result) is FailureReason.TIMEOUT
        assert "the echo reply" in detail(result)


def test_an_address_that_is_silent_leaves_time_for_the_next() -> None:
    """Names of several addresses: /etc/hosts of the test's own mount."""
    hosts = "127.0.0.1 localhost\nfd00:3::1 both.example\n10.0.0.2 both.example\n"
    setup = ROUTED + f"printf '{hosts}' > /tmp/hosts.$$; mount --bind /tmp/hosts.$$ /etc/hosts; rm /tmp/hosts.$$\n"
    targets = [{"url": "icmp://both.example", "timeout": "2s", "ip": {"prefer": 6}}]
    (result,) = echoes(setup, targets, "--until", "icmp://10.0.0.2", **RAW)
    assert result.failure is None
    assert result.address == "10.0.0.2"
    phases = dict(result.phases)
    assert phases[Phase.SETUP] > 0.5, "the wait for the first address"
    assert phases[Phase.RTT] < 0.5, "only of the one that replied"


DEAF = ALONE + "\nsysctl -qw net.ipv4.icmp_echo_ignore_all=1\n"


@pytest.mark.parametrize("ping_group_range", [NOBODY, EVERYBODY], ids=["raw", "datagram"])
@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("honest", None),
        ("other token", FailureReason.TIMEOUT),
        ("other sequence", FailureReason.TIMEOUT),
        ("other identifier", FailureReason.TIMEOUT),
        ("too short", FailureReason.TIMEOUT),
        ("cut", FailureReason.PROTOCOL),
        ("changed", FailureReason.PROTOCOL),
        ("unreachable", FailureReason.UNREACHABLE),
        ("another's unreachable", FailureReason.TIMEOUT),
    ],
)
def test_only_the_reply_to_its_own_request_is_taken(
    how: str, expected: FailureReason | None, ping_group_range: str
) -> None:
    timeout = "400ms" if expected is FailureReason.TIMEOUT else "5s"
    targets = [{"url": "icmp://127.0.0.1", "timeout": timeout}]
    (result,) = echoes(DEAF, targets, "--forge", how, ping_group_range=ping_group_range, privileged=True)
    assert reason(result) is expected


@given(st.binary(max_size=100))
def test_the_checksum_makes_a_packet_sum_to_nothing(data: bytes) -> None:
    """RFC 1071: over a packet with its checksum in place the sum's complement is zero."""
    data += bytes(len(data) % 2)
    assert checksum(data + checksum(data).to_bytes(2, "big")) == 0
