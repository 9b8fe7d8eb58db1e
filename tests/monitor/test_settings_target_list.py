"""Settings from a list of addresses."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trustme import CA

from monitor.errors import UserError
from monitor.settings import settings_of_target_list
from monitor.settings.target_list import name_of
from probes.target import Target


def listed(folder: Path, text: str) -> Path:
    file = folder / "targets.txt"
    file.write_text(text)
    return file


def test_a_list_is_all_that_it_takes(tmp_path: Path) -> None:
    file = listed(tmp_path, "# ours\nhttps://a.example.com/health\n\n  tcp://db:5432   # the database\nhttp://a/#top\n")
    CA().cert_pem.write_to_path(tmp_path / "ca.pem")
    settings = settings_of_target_list(
        file, timedelta(seconds=2), tmp_path / "ca.pem", "127.0.0.1:1", tmp_path / "kept", environ={}
    )
    first, second, third = settings.targets
    assert (first.name, first.url) == ("https://a.example.com/health", "https://a.example.com/health")
    assert (second.name, second.kind, third.url) == ("tcp://db:5432", "tcp", "http://a/#top")
    assert (first.every, first.timeout) == (timedelta(seconds=2), timedelta(seconds=2))
    assert first.tls.ca_file == tmp_path / "ca.pem"
    assert (settings.web.port, settings.data) == (1, tmp_path / "kept")
    route = settings.pagerduty.routes["default"]
    assert (route.driver, route.file) == ("sink", tmp_path / "kept" / "pages.jsonl")


def test_without_options_targets_are_probed_every_10_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = settings_of_target_list(listed(tmp_path, "http://a"), environ={"MONITOR_REGION": "eu"})
    assert (settings.targets[0].every, settings.targets[0].timeout) == (timedelta(seconds=10), timedelta(seconds=5))
    assert (settings.data, settings.region, settings.folder) == (tmp_path / "data", "eu", tmp_path)


def test_bad_lines_are_told_all_at_once(tmp_path: Path) -> None:
    file = listed(tmp_path, "example.com\nhttp://a\nftp://b\nhttp://a\ntcp://c\n")
    with pytest.raises(UserError) as caught:
        settings_of_target_list(file, "5", tmp_path / "none.pem", "here", tmp_path, environ={})
    told = [problem.replace(f"{tmp_path}/", "") for problem in caught.value.problems]
    expected = [
        "--ca-file: none.pem cannot be read: no such file or directory",
        "--every: '5' is not a duration; write a number and a unit",
        "--listen: web.listen: 'here' is not HOST:PORT",
        "targets.txt:1: the address has no scheme; one of http://",
        "targets.txt:3: the scheme 'ftp' cannot be probed",
        "targets.txt:4: 'http://a' is already on line 2; remove one of the two",
        "targets.txt:5: a tcp target needs a port",
    ]
    assert len(told) == len(expected)
    assert all(problem.startswith(start) for problem, start in zip(told, expected, strict=True)), told


@pytest.mark.parametrize(("text", "said"), [("\n# nothing\n", "nothing to probe"), (None, "cannot be read")])
def test_a_list_without_targets_is_refused(tmp_path: Path, text: str | None, said: str) -> None:
    file = listed(tmp_path, text) if text is not None else tmp_path / "none.txt"
    with pytest.raises(UserError, match=said):
        settings_of_target_list(file, environ={})


hosts = st.sampled_from(["a", "b.example.com", "[::1]:80", "xn--a"])
rest = st.text("abc/?=&%#é-_~!$ ", max_size=250)


@given(st.lists(st.builds("http://{}/{}".format, hosts, rest), max_size=8, unique=True))
def test_every_address_has_a_name_of_its_own_that_a_target_may_have(urls: list[str]) -> None:
    names = [name_of(url) for url in urls]
    assert len(set(names)) == len(names)
    for name in names:
        assert Target(name=name, url="http://a").name == name


def test_a_query_stays_out_of_the_name() -> None:
    assert "sesame" not in name_of("https://a/health?token=sesame")
