from __future__ import annotations

import asyncio
import gzip

import httpx

from monitor.errors import UserError
from monitor.metrics.transfer import AT_ONCE_BYTES
from monitor.store import Store
from monitor.web.access import Access
from probes.target import Target
from tests.monitor.web.conftest import Site, serving


async def test_metrics_as_text_or_openmetrics(site: Site) -> None:
    plain = await site.get("/metrics")
    assert plain.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert 'probe_success{instance="shop",job="monitor",region="eu-west",target="shop"} 0' in plain.text
    open_metrics = await site.get("/metrics", accept="application/openmetrics-text; version=1.0.0")
    assert open_metrics.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert open_metrics.text.endswith("# EOF\n")


async def test_metrics_are_compressed_for_who_takes_it(site: Site) -> None:
    async with site.client.stream("GET", "/metrics", headers={"accept-encoding": "gzip"}) as response:
        raw = b"".join([chunk async for chunk in response.aiter_raw()])
    assert response.headers["content-encoding"] == "gzip"
    assert b"monitor_build_info" in gzip.decompress(raw)
    for refused in ("identity", "gzip;q=0", "gzip; q=0.000, br", "x-gzip"):
        plain = await site.get("/metrics", **{"accept-encoding": refused})
        assert "content-encoding" not in plain.headers, refused
    for taken in ("br, gzip", "gzip;q=0.1", "GZIP"):
        assert (await site.get("/metrics", **{"accept-encoding": taken})).headers["content-encoding"] == "gzip", taken


async def test_a_long_scrape_is_whole_in_every_way(site: Site) -> None:
    """More than is handed to the server at a time, compressed or not."""
    many = [Target(name=f"t{number}", url="http://search.example.com/") for number in range(3000)]
    site.metrics.replace(many)
    body, _ = site.metrics.render()
    assert len(body) > 4 * AT_ONCE_BYTES
    targets = [line for line in body.splitlines() if line.startswith(b"monitor_")]
    for encoding in ("identity", "gzip"):
        answer = await site.get("/metrics", **{"accept-encoding": encoding})
        found = [line for line in answer.content.splitlines() if line.startswith(b"monitor_")]
        assert found == targets, encoding


async def test_the_loop_goes_on_while_a_scrape_is_rendered(site: Site) -> None:
    site.metrics.replace([Target(name=f"t{number}", url="http://search.example.com/") for number in range(3000)])
    scrape = asyncio.create_task(site.get("/metrics", **{"accept-encoding": "gzip"}))
    turns = 0
    while not scrape.done():
        await asyncio.sleep(0)
        turns += 1
    assert (await scrape).status_code == 200
    assert turns > 20


async def test_healthy_while_the_loop_runs(site: Site) -> None:
    site.missing["store"] = "not migrated yet"
    answer = await site.get("/-/healthy")
    assert (answer.status_code, answer.text) == (200, "healthy\n")


async def test_ready_says_what_is_missing(site: Site) -> None:
    assert (await site.get("/-/ready")).text == "ready\n"
    site.missing |= {"store": "not migrated yet", "workers": "0 of 1 are probing"}
    answer = await site.get("/-/ready")
    assert answer.status_code == 503
    assert answer.text == "not ready\nstore: not migrated yet\nworkers: 0 of 1 are probing\n"


async def test_reload_runs_and_says_so(site: Site) -> None:
    ran: list[bool] = []
    site.reloads.append(lambda: ran.append(True))
    answer = await site.client.post("/-/reload")
    assert (answer.status_code, answer.text, ran) == (200, "reloaded\n", [True])


async def test_a_reload_that_fails_says_every_problem(site: Site) -> None:
    def refuse() -> None:
        raise UserError("monitor.yaml:3: region: is empty", "monitor.yaml:9: targets: none is given")

    site.reloads.append(refuse)
    answer = await site.client.post("/-/reload")
    assert answer.status_code == 400
    assert answer.text.splitlines()[1:] == [
        "monitor.yaml:3: region: is empty",
        "monitor.yaml:9: targets: none is given",
    ]


async def test_our_own_error_in_a_reload_tells_the_network_nothing(site: Site) -> None:
    def fail() -> None:
        raise RuntimeError("secret-detail")

    site.reloads.append(fail)
    answer = await site.client.post("/-/reload")
    assert answer.status_code == 500
    assert "secret-detail" not in answer.text


async def test_browsers_and_proxies_cannot_reload(site: Site) -> None:
    ran: list[bool] = []
    site.reloads.append(lambda: ran.append(True))
    for headers in (
        {"origin": "http://127.0.0.1:9780"},
        {"origin": "null"},
        {"sec-fetch-site": "same-origin"},
        {"x-forwarded-for": "127.0.0.1"},
        {"forwarded": "for=192.0.2.1"},
    ):
        answer = await site.client.post("/-/reload", headers=headers)
        assert (answer.status_code, ran) == (403, []), headers
        assert "SIGHUP" in answer.text


async def test_reload_is_a_post(site: Site) -> None:
    assert (await site.get("/-/reload")).status_code == 405


async def test_a_peer_that_is_not_on_this_machine_cannot_reload(store: Store) -> None:
    """No packet from elsewhere can be had in a test: the peer's address is put into the ASGI scope."""
    async with serving(store, Access(listen_host="0.0.0.0")) as site:
        for client, status in ((("192.0.2.7", 5), 403), (("127.0.0.1", 5), 200), (("::1", 5), 200)):
            transport = httpx.ASGITransport(app=site.app, client=client)
            async with httpx.AsyncClient(transport=transport, base_url="http://monitor") as peer:
                assert (await peer.post("/-/reload")).status_code == status
