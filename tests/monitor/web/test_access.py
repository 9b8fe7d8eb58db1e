from __future__ import annotations

import pytest

from monitor.store import Store
from monitor.web.access import NOT_EXPOSED, WRONG_HOST, Access, host_of
from tests.monitor.web.conftest import Site, serving

OPEN = ("/metrics", "/-/healthy", "/-/ready")
PAGES = ("/", "/incidents/1", "/static/style.css", "/no-such-page")


async def test_every_answer_has_the_security_headers(site: Site) -> None:
    for path in (*OPEN, *PAGES):
        headers = (await site.get(path)).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "script-src" not in policy
        assert "unsafe" not in policy
        assert (headers["x-content-type-options"], headers["referrer-policy"]) == ("nosniff", "no-referrer")


async def test_loopback_names_are_answered(site: Site) -> None:
    for host in ("localhost", "127.0.0.1:9780", "LOCALHOST:1", "[::1]:9780", "127.0.0.1"):
        assert (await site.get("/-/healthy", host=host)).status_code == 200, host


async def test_another_name_that_points_here_is_refused(site: Site) -> None:
    for host in (
        "attacker.example",
        "127.0.0.1.attacker.example:9780",
        "localhost.attacker.example",
        "192.0.2.1",
        "[::1",
        "x:y",
    ):
        for path in ("/", "/metrics", "/-/ready"):
            answer = await site.get(path, host=host)
            assert (answer.status_code, answer.text) == (403, WRONG_HOST), host


async def test_a_request_without_a_host_is_refused(site: Site) -> None:
    assert (await site.get("/", host="")).status_code in {400, 403}


async def test_the_external_name_is_answered(store: Store) -> None:
    access = Access(listen_host="127.0.0.1", external_url="https://Monitor.example.com:8443/base")
    async with serving(store, access) as site:
        assert (await site.get("/", host="monitor.example.com:8443")).status_code == 200
        assert (await site.get("/", host="example.com")).status_code == 403


async def test_beyond_loopback_only_metrics_and_health_are_served(store: Store) -> None:
    async with serving(store, Access(listen_host="0.0.0.0"), listen="0.0.0.0") as site:
        for path in OPEN:
            assert (await site.get(path, host="monitor.ns.svc:9780")).status_code == 200
        for path in PAGES:
            answer = await site.get(path)
            assert (answer.status_code, answer.text) == (403, NOT_EXPOSED)
    assert "web.expose_page" in NOT_EXPOSED


async def test_the_page_is_served_everywhere_when_the_settings_say_so(store: Store) -> None:
    async with serving(store, Access(listen_host="::", expose_page=True)) as site:
        assert (await site.get("/", host="monitor.example.com")).status_code == 200


@pytest.mark.parametrize(
    ("authority", "host"),
    [("[::1]:9780", "::1"), ("LocalHost:1", "localhost"), ("", ""), ("[", ""), ("user@127.0.0.1", "127.0.0.1")],
)
def test_host_of(authority: str, host: str) -> None:
    assert host_of(authority) == host
