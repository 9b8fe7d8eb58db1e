"""What the two network drivers promise apart from the fault matrix in tests/monitor/test_delivery_faults.py."""

import asyncio
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest
import trustme

from alerts.incident import PageAction
from alerts.pagerduty.event import Link, PageEvent, PagerRefused, PagerRetry
from alerts.pagerduty.events_v1 import ABANDONED_LIMIT, EventsV1
from alerts.pagerduty.events_v2 import EventsV2
from tests.support.pager import KEY, Fault, drips, faulty_pager
from tests.support.wait import free_port, until

EVENT = PageEvent(action=PageAction.TRIGGER, route="default", dedup_key="k", summary="down", source="api")
DRIP = Fault("drip", False, drips(b"HTTP/1.1 200 OK\r\nX-A: ", b"a"))
DRIVERS = pytest.mark.parametrize("driver", [EventsV2, EventsV1])
Make = Callable[..., Any]


@DRIVERS
@pytest.mark.parametrize("url", ["", "events.pagerduty.com", "ftp://x", "https://", "https://a b", "http://x:port"])
def test_an_address_nothing_can_be_sent_to_is_refused_at_once(driver: Make, url: str) -> None:
    with pytest.raises(ValueError):
        driver(url, KEY)


@DRIVERS
@pytest.mark.parametrize("key", ["", "white space", "line\nbreak", "\udc80", "schlüssel"])
def test_a_key_that_cannot_be_one_is_refused_without_being_shown(driver: Make, key: str) -> None:
    with pytest.raises(ValueError, match="printable ASCII") as caught:
        driver("https://events.pagerduty.com", key)
    assert not key or key not in str(caught.value)


@DRIVERS
async def test_the_key_is_in_no_text_of_the_driver(driver: Make) -> None:
    pager = driver(f"http://127.0.0.1:{free_port()}", KEY)
    assert KEY not in repr(pager)
    with pytest.raises(PagerRetry) as caught:
        await pager.send(EVENT)
    assert KEY not in repr(caught.value) + str(caught.value.__cause__) + str(caught.value)
    assert "127.0.0.1" in caught.value.reason
    await pager.close()


@DRIVERS
async def test_another_region_is_another_address(driver: Make) -> None:
    async with faulty_pager() as server:
        pager = driver(server.url + "/", KEY)
        assert (await pager.send(EVENT)).note.startswith("20")
        await pager.close()
    assert len(server.ledger.alerts) == 1


@DRIVERS
async def test_a_refusal_of_the_api_is_final(driver: Make) -> None:
    async with faulty_pager() as server:
        pager = driver(server.url, KEY + "0")
        with pytest.raises(PagerRefused) as caught:
            await pager.send(EVENT)
        await pager.close()
    assert "HTTP 400" in caught.value.reason


@DRIVERS
async def test_a_certificate_that_cannot_be_trusted_stops_the_page_loudly(driver: Make) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(tls)
    async with faulty_pager(tls=tls) as server:
        pager = driver(server.url, KEY)
        with pytest.raises(PagerRetry) as caught:
            await pager.send(EVENT)
        await pager.close()
    assert caught.value.misconfigured
    assert server.bodies == []


async def test_v2_sends_once_the_certificate_is_right() -> None:
    authority = trustme.CA()
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    names = ["wrong.example", "127.0.0.1"]
    port = free_port()
    results = []
    async with httpx.AsyncClient(verify=trusting, trust_env=False) as client:
        pager = EventsV2(f"https://127.0.0.1:{port}", KEY, client=client)
        for name in names:
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            authority.issue_cert(name).configure_cert(tls)
            async with faulty_pager(port=port, tls=tls) as server:
                try:
                    results.append((await pager.send(EVENT)).note[:3])
                except PagerRetry as error:
                    results.append(str(error.misconfigured))
        await pager.close()
    assert results == ["True", "202"]
    assert len(server.ledger.alerts) == 1


@DRIVERS
async def test_proxies_of_the_environment_do_not_count(driver: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    async with faulty_pager() as server:
        pager = driver(server.url, KEY)
        await pager.send(EVENT)
        await pager.close()
    assert len(server.ledger.alerts) == 1


async def test_v1_says_severity_and_links_in_its_details() -> None:
    event = replace(
        EVENT,
        severity="error",
        details=(("seen", "503"),),
        links=(Link(href="https://r.example/api.md", text="Runbook"),),
    )
    async with faulty_pager() as server:
        await EventsV1(server.url, KEY).send(event)
    assert server.bodies == [
        {
            "service_key": KEY,
            "event_type": "trigger",
            "incident_key": "k",
            "description": "down",
            "client": "monitor",
            "details": {"severity": "error", "Runbook": "https://r.example/api.md", "seen": "503"},
        }
    ]


async def test_v1_threads_that_hang_are_bounded_and_let_go_again() -> None:
    async with faulty_pager([DRIP] * ABANDONED_LIMIT) as server:
        pager = EventsV1(server.url, KEY, timeout_seconds=0.3)
        attempts = await asyncio.gather(*[pager.send(EVENT) for _ in range(ABANDONED_LIMIT)], return_exceptions=True)
        assert all("no whole answer" in str(attempt) for attempt in attempts)
        with pytest.raises(PagerRetry, match="still hang") as caught:
            await pager.send(EVENT)
        assert caught.value.misconfigured
    until(lambda: not any(thread.name == "pagerduty-v1" for thread in threading.enumerate()), what="the threads' end")
    with pytest.raises(PagerRetry, match="Connection"):
        await pager.send(EVENT)


async def test_v1_a_server_that_drips_does_not_keep_the_program_from_ending() -> None:
    program = """if True:
        import asyncio, sys
        from alerts.incident import PageAction
        from alerts.pagerduty.event import PageEvent
        from alerts.pagerduty.events_v1 import EventsV1
        event = PageEvent(action=PageAction.TRIGGER, route="default", dedup_key="k", summary="down", source="api")
        try:
            asyncio.run(EventsV1(sys.argv[1], "a" * 32, timeout_seconds=0.2).send(event))
        except Exception as error:
            print(error)
    """
    async with faulty_pager([DRIP]) as server:
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", program, server.url, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        try:
            output, _ = await asyncio.wait_for(child.communicate(), 60)
        finally:
            if child.returncode is None:
                child.kill()
    assert b"no whole answer within 0.2 s" in output
    assert child.returncode == 0
