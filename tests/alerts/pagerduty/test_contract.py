"""What the drivers send and the sink answers, against PagerDuty's published OpenAPI documents.

The documents may not be shipped with the project; they lie beside the checkout, where CI has them too.
"""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from openapi_core import OpenAPI
from openapi_core.testing import MockRequest, MockResponse
from openapi_core.validation.request.exceptions import InvalidRequestBody

from alerts.incident import PageAction
from alerts.pagerduty.event import Link, PageEvent, Pager
from alerts.pagerduty.events_v1 import EventsV1
from alerts.pagerduty.events_v2 import EventsV2
from monitor.pager_sink import running_sink
from tests.support.pager import KEY, faulty_pager

DOCUMENTS = Path(__file__).parents[3].parent / "shared" / "pagerduty"
HOST = "https://events.pagerduty.com"
VERSIONS = {"v2": ("/v2/enqueue", EventsV2), "v1": ("/generic/2010-04-15/create_event.json", EventsV1)}
FULL = PageEvent(
    action=PageAction.TRIGGER,
    route="default",
    dedup_key="monitor:eu:0123456789abcdef:1",
    summary="api is down: 3 of 3 probes failed",
    source="https://api.example.com/health",
    severity="critical",
    timestamp=datetime(2026, 11, 23, 12, 0, 0, 250_000, tzinfo=UTC),
    component="api",
    group="eu-west",
    class_="outage",
    details=(("expected", "status 200"), ("seen", "refused")),
    links=(Link(href="https://runbooks.example.com/api.md", text="Runbook"),),
    client_url="https://monitor.example.com/",
)
BARE = PageEvent(action=PageAction.TRIGGER, route="default", dedup_key="k", summary="down", source="api")
EVENTS = [FULL, BARE] + [PageEvent(action=action, route="default", dedup_key="k") for action in PageAction]


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    if not DOCUMENTS.is_dir():
        pytest.skip("PagerDuty's OpenAPI documents are not beside this checkout (../shared/pagerduty)")
    return str(request.param)


@pytest.fixture
def api(version: str) -> OpenAPI:
    return OpenAPI.from_file_path(str(DOCUMENTS / f"events-{version}.openapi.json"))


def request_of(version: str, body: Any) -> MockRequest:
    data = json.dumps(body).encode()
    return MockRequest(HOST, "post", VERSIONS[version][0], data=data, content_type="application/json")


async def sent_by(version: str, events: list[PageEvent]) -> list[dict[str, Any]]:
    async with faulty_pager() as server:
        driver: Pager = VERSIONS[version][1](server.url, KEY)
        for event in events:
            await driver.send(event)
        await driver.close()
    assert server.refused == []
    return server.bodies


async def test_every_body_on_the_wire_keeps_the_contract(version: str, api: OpenAPI) -> None:
    bodies = await sent_by(version, EVENTS)
    assert len(bodies) == len(EVENTS)
    for body in bodies:
        api.validate_request(request_of(version, body))
        assert None not in body.values()


async def test_the_validator_sees_a_broken_body(version: str, api: OpenAPI) -> None:
    (body,) = await sent_by(version, [FULL])
    api.validate_request(request_of(version, body))
    for name in ("client", "client_url", "dedup_key" if version == "v2" else "incident_key"):
        with pytest.raises(InvalidRequestBody):
            api.validate_request(request_of(version, body | {name: None}))


@pytest.mark.parametrize("good", [True, False])
async def test_the_sinks_answers_keep_the_contract(version: str, api: OpenAPI, good: bool) -> None:
    (body,) = await sent_by(version, [FULL])
    async with running_sink() as sink, httpx.AsyncClient(trust_env=False) as client:
        answer = await client.post(sink.url + VERSIONS[version][0], json=body if good else {})
    if good:
        response = MockResponse(answer.content, answer.status_code, content_type="application/json")
        api.validate_response(request_of(version, body), response)
        assert answer.json()["status"] == "success"
    else:  # the documents have no schema for a 400; the published error examples have these three
        assert answer.status_code == 400
        assert set(answer.json()) == {"status", "message", "errors"}


async def test_the_publishers_own_examples_are_taken_by_the_sink(version: str) -> None:
    address = VERSIONS[version][0]
    document = json.loads((DOCUMENTS / f"events-{version}.openapi.json").read_text())
    path = document["paths"]["/enqueue" if version == "v2" else "/create_event.json"]
    examples = path["post"]["requestBody"]["content"]["application/json"]["examples"]
    async with running_sink() as sink, httpx.AsyncClient(trust_env=False) as client:
        for example in examples.values():
            answer = await client.post(sink.url + address, json=example["value"])
            assert answer.status_code == (202 if version == "v2" else 200), answer.text
    assert len(sink.alerts) == len(examples) >= 1
