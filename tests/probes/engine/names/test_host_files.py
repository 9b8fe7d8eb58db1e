"""/etc/hosts, /etc/resolv.conf and /etc/nsswitch.conf."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.engine.names.host_files import (
    HostFiles,
    dns_suffices,
    name_servers,
    parse_hosts,
    sources_of_names,
)
from tests.probes.engine.names.host import Clock


def ips(hosts: str, name: str) -> list[str]:
    return [address.ip for address in parse_hosts(hosts).get(name, ())]


def test_a_name_has_the_addresses_of_all_its_lines() -> None:
    hosts = "127.0.0.1 Api api.test. # the api\n#192.0.2.9 api\n::1\tapi\nnot-an-ip api\n192.0.2.1\n\n"
    assert ips(hosts, "api") == ["127.0.0.1", "::1"]
    assert ips(hosts, "api.test") == ["127.0.0.1"]
    assert ips(hosts, "the") == []


def test_localhost_needs_no_file(tmp_path: Path) -> None:
    files = HostFiles(tmp_path)
    files.look()
    for name in ("localhost", "LOCALHOST.", "api.localhost"):
        assert {address.ip for address in files.addresses_of(name)} == {"::1", "127.0.0.1"}
    assert files.addresses_of("notlocalhost") == ()
    assert files.resolv_conf == ""


def test_files_are_looked_at_once_a_second_and_read_when_they_changed(tmp_path: Path) -> None:
    clock = Clock()
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.1 api\n")
    files = HostFiles(tmp_path, clock=clock)
    files.look()
    assert (files.generation, ips_of(files)) == (1, ["127.0.0.1"])
    hosts.write_text("127.0.0.1 api\n127.0.0.2 api\n")
    files.look()
    assert files.generation == 1, "looked at a moment ago"
    clock.now += 1
    files.look()
    assert (files.generation, ips_of(files)) == (2, ["127.0.0.1", "127.0.0.2"])
    clock.now += 1
    files.look()
    assert files.generation == 2, "nothing changed"
    hosts.unlink()
    clock.now += 1
    files.look()
    assert (files.generation, ips_of(files)) == (3, [])


def ips_of(files: HostFiles) -> list[str]:
    return [address.ip for address in files.addresses_of("api")]


def test_name_servers_in_their_order() -> None:
    text = "nameserver 192.0.2.1\n# nameserver 192.0.2.9\nnameserver\nnameserver 2001:db8::1 x\nnameserver no-ip\n"
    assert [(server.ip, server.sockaddr[1]) for server in name_servers(text)] == [
        ("192.0.2.1", 53),
        ("2001:db8::1", 53),
    ]
    assert [server.ip for server in name_servers("search a.test\n")] == ["127.0.0.1"]


def test_a_name_server_may_be_of_a_zone() -> None:
    name = socket.if_indextoname(1)
    (server,) = name_servers(f"nameserver fe80::1%{name}\nnameserver fe80::2%no-such-interface\n")
    assert server.sockaddr == ("fe80::1", 53, 0, 1)
    assert name_servers("nameserver fe80::1%1\n") == (server,)


@pytest.mark.parametrize(
    ("line", "suffices"),
    [
        ("hosts: files dns", True),
        ("hosts:\tfiles myhostname resolve [!UNAVAIL=return] dns # of systemd", True),
        ("hosts: resolve [!UNAVAIL=return] files myhostname dns", True),
        ("hosts: files resolve", True),
        ("passwd: files ldap", True),
        ("", True),
        ("hosts: files mdns4_minimal [NOTFOUND=return] dns", False),
        ("hosts: files dns ldap", False),
        ("hosts: mymachines resolve files dns", False),
        ("hosts: dns files", False),
        ("hosts: files", False),
        ("hosts: dns", False),
        ("hosts:", False),
    ],
)
def test_where_dns_finds_what_the_host_finds(line: str, suffices: bool) -> None:
    text = f"# hosts: nis\ngroup: files\n{line}\nnetworks: files\n"
    assert dns_suffices(sources_of_names(text)) is suffices


@given(st.text())
def test_any_text_can_be_read(text: str) -> None:
    parse_hosts(text)
    assert name_servers(text)
    dns_suffices(sources_of_names(text))
