from __future__ import annotations

import socket
from dataclasses import replace

import pytest

from alerts.incident import RunbookPin
from alerts.pagerduty.event import Link
from monitor.links import Links, links_of
from monitor.settings import DashboardOptions, RunbookOptions, Settings, WebOptions
from tests.support.incidents import OPEN

INCIDENT = replace(
    OPEN, id=12, target="shop/api v2", runbook=RunbookPin(path="runbooks/shop è.md", title="Shop", sha256="0" * 64)
)


def test_a_page_links_to_runbook_dashboard_and_incident() -> None:
    links = Links(
        external_url="https://monitor.example/", dashboard_url="https://grafana.example/d/x?var-target={target}"
    )
    assert links.of(INCIDENT) == (
        Link(href="https://monitor.example/incidents/12#runbook", text="Runbook: Shop"),
        Link(href="https://grafana.example/d/x?var-target=shop%2Fapi%20v2", text="Dashboard of shop/api v2"),
        Link(href="https://monitor.example/incidents/12", text="Incident 12"),
    )


@pytest.mark.parametrize(
    ("base", "href"),
    [
        ("https://git.example/blob/main", "https://git.example/blob/main/runbooks/shop%20%C3%A8.md"),
        ("https://git.example/blob/main/", "https://git.example/blob/main/runbooks/shop%20%C3%A8.md"),
        ("https://git.example/view?file=", "https://git.example/view?file=runbooks/shop%20%C3%A8.md"),
    ],
)
def test_runbooks_that_people_keep_elsewhere_are_linked_there(base: str, href: str) -> None:
    assert Links(external_url="https://monitor.example", runbooks_url=base).runbook(INCIDENT) == href


def test_what_is_not_known_is_not_linked() -> None:
    assert Links().of(INCIDENT) == ()
    assert [link.text for link in Links(external_url="http://m").of(OPEN)] == ["Incident 1"]
    assert Links(runbooks_url="http://git").of(OPEN) == ()


@pytest.mark.parametrize(
    ("web", "url"),
    [
        (WebOptions(external_url="https://m.example/x"), "https://m.example/x"),
        (WebOptions(listen="127.0.0.1:9780"), "http://127.0.0.1:9780"),
        (WebOptions(listen="[::1]:9780"), "http://[::1]:9780"),
        (WebOptions(listen="0.0.0.0:80"), f"http://{socket.gethostname()}:80"),
        (WebOptions(listen="[::]:80"), f"http://{socket.gethostname()}:80"),
    ],
)
def test_links_are_those_of_the_settings(web: WebOptions, url: str) -> None:
    runbooks, dashboards = RunbookOptions(base_url="https://git.example"), DashboardOptions(url="https://g/{target}")
    settings = Settings(web=web, runbooks=runbooks, dashboards=dashboards)
    assert links_of(settings) == Links(
        external_url=url, runbooks_url="https://git.example", dashboard_url="https://g/{target}"
    )
