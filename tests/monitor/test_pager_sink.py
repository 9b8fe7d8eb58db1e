import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.incident import PageAction
from monitor.cli.pager import _address
from monitor.errors import UserError
from monitor.pager_sink import Ledger, PagerSink, ledger, running_sink
from monitor.pager_sink.contract import BODY_BYTES, Event, Invalid, parse, read_v1, read_v2
from tests.support.process import Process
from tests.support.wait import free_port, until

KEY = "e93facc04764012d7bfb002500d5d1a6"
V2 = {
    "routing_key": KEY,
    "event_action": "trigger",
    "dedup_key": "k",
    "payload": {"summary": "down", "source": "api", "severity": "critical"},
}
V1 = {"service_key": KEY, "event_type": "trigger", "incident_key": "k", "description": "down"}


@pytest.fixture
async def sink() -> AsyncIterator[PagerSink]:
    async with running_sink() as sink:
        yield sink


@pytest.fixture
async def client(sink: PagerSink) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=sink.url, trust_env=False) as client:
        yield client


async def send(client: httpx.AsyncClient, action: str, dedup_key: str = "k", routing_key: str = KEY) -> str:
    body = V2 | {"event_action": action, "dedup_key": dedup_key, "routing_key": routing_key}
    answer = await client.post("/v2/enqueue", json=body)
    assert answer.status_code == 202
    assert answer.json() == {"status": "success", "message": "Event processed", "dedup_key": dedup_key}
    effect: str = (await client.get("/events")).json()["events"][-1]["effect"]
    return effect


async def test_one_alert_a_key_until_it_is_resolved(client: httpx.AsyncClient) -> None:
    effects = [await send(client, action) for action in ("trigger", "trigger", "acknowledge", "trigger", "resolve")]
    assert effects == ["opened", "updated", "acknowledged", "updated", "resolved"]
    assert await send(client, "trigger") == "opened"
    alerts = (await client.get("/alerts")).json()["alerts"]
    assert [(alert["status"], alert["summary"], alert["log"]) for alert in alerts] == [
        ("resolved", "down", [1, 2, 3, 4, 5]),
        ("triggered", "down", [6]),
    ]


async def test_a_trigger_leaves_an_acknowledged_alert_acknowledged(client: httpx.AsyncClient, sink: PagerSink) -> None:
    for action in ("trigger", "acknowledge", "trigger"):
        await send(client, action)
    assert [alert.status for alert in sink.alerts] == ["acknowledged"]


@pytest.mark.parametrize("action", ["acknowledge", "resolve"])
async def test_what_has_no_open_alert_is_dropped(client: httpx.AsyncClient, sink: PagerSink, action: str) -> None:
    assert await send(client, action) == "dropped"
    await send(client, "trigger")
    assert await send(client, action, routing_key="f" * 32) == "dropped"
    assert [alert.status for alert in sink.alerts] == ["triggered"]


async def test_a_trigger_without_a_key_is_an_alert_of_its_own(client: httpx.AsyncClient, sink: PagerSink) -> None:
    body = {name: value for name, value in V2.items() if name != "dedup_key"}
    keys = {(await client.post("/v2/enqueue", json=body)).json()["dedup_key"] for _ in range(2)}
    assert len(keys) == len(sink.alerts) == 2


async def test_version_1_and_2_share_the_alerts(client: httpx.AsyncClient, sink: PagerSink) -> None:
    answer = await client.post("/generic/2010-04-15/create_event.json", json=V1)
    assert answer.status_code == 200
    assert answer.json() == {"status": "success", "message": "Event processed", "incident_key": "k"}
    await send(client, "resolve")
    assert [alert.status for alert in sink.alerts] == ["resolved"]


async def test_reading_back_can_be_narrowed(client: httpx.AsyncClient) -> None:
    for action, key in (("trigger", "a"), ("trigger", "b"), ("resolve", "a")):
        await send(client, action, key)
    found = (await client.get("/alerts", params={"status": "triggered"})).json()["alerts"]
    assert [alert["dedup_key"] for alert in found] == ["b"]
    events = (await client.get("/events", params={"dedup_key": "a"})).json()["events"]
    assert [event["action"] for event in events] == ["trigger", "resolve"]
    assert "nobody is paged" in (await client.get("/")).text


async def test_the_routing_key_is_not_kept(client: httpx.AsyncClient, sink: PagerSink) -> None:
    await send(client, "trigger")
    shown = (await client.get("/alerts")).text + (await client.get("/events")).text
    assert KEY not in shown + repr(sink.entries) + repr(sink.alerts)


def without(body: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in body.items() if key != name}


def payload(**changed: Any) -> dict[str, Any]:
    return V2 | {"payload": V2["payload"] | changed}  # type: ignore[operator]


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (without(V2, "routing_key"), "'routing_key' is missing"),
        (V2 | {"routing_key": KEY[:-1]}, "'routing_key' must have 32"),
        (V2 | {"event_action": "page"}, "'event_action' must be"),
        (V2 | {"event_action": ["trigger"]}, "'event_action' must be"),
        (without(V2, "payload"), "'payload' is missing"),
        (payload(summary=""), "'payload.summary' is missing"),
        (payload(summary="x" * 1025), "'payload.summary' must have at most 1024"),
        (payload(summary=7), "'payload.summary' must be a string"),
        (payload(source=None), "'payload.source' is missing"),
        (payload(severity="bad"), "'payload.severity' must be"),
        (payload(severity={}), "'payload.severity' must be"),
        (payload(custom_details="x"), "'payload.custom_details' must be"),
        (V2 | {"dedup_key": "k" * 256}, "'dedup_key' must have at most 255"),
        (V2 | {"event_action": "resolve", "dedup_key": ""}, "'dedup_key' is missing"),
        (V2 | {"links": [{"text": "no href"}]}, "'links' must be"),
        (V2 | {"links": "x"}, "'links' must be"),
        (V2 | {"images": [{"src": "http://plain.example/x.png"}]}, "'images' must be"),
        (V2 | {"client": None}, "'client' must be a string"),
    ],
)
def test_version_2_refuses(body: dict[str, Any], error: str) -> None:
    with pytest.raises(Invalid, match=error) as caught:
        read_v2(body)
    assert len(caught.value.errors) == 1 + (error == "'payload.source' is missing")


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (V1 | {"service_key": "not hexadecimal, but 32 long...."}, "'service_key' must"),
        (V1 | {"event_type": None}, "'event_type' must be"),
        (without(V1, "description"), "'description' is missing"),
        (V1 | {"description": "x" * 1025}, "'description' must have at most 1024"),
        (V1 | {"event_type": "resolve", "incident_key": ""}, "'incident_key' is missing"),
        (V1 | {"details": None}, "'details' must be"),
        (V1 | {"client_url": None}, "'client_url' must be"),
    ],
)
def test_version_1_refuses(body: dict[str, Any], error: str) -> None:
    with pytest.raises(Invalid, match=error):
        read_v1(body)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*V2, *V1, "links"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from([*V2, *V1, "links", "images", "details"]), json_values))
def test_no_json_is_a_defect(changed: dict[str, Any]) -> None:
    for read, good in ((read_v2, V2), (read_v1, V1)):
        with contextlib.suppress(Invalid):
            read(good | changed)


NOT_GIVEN_BACK = [b'{"a": NaN}', b'{"a": 1e999}', b'{"a": "\\ud800"}']


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"\xff", b"[" * 100_000, b"1" * 5000, *NOT_GIVEN_BACK])
async def test_what_is_no_json_object_is_refused(client: httpx.AsyncClient, raw: bytes) -> None:
    with pytest.raises(Invalid):
        parse(raw)
    answer = await client.post("/v2/enqueue", content=raw)
    assert (answer.status_code, answer.json()["status"]) == (400, "invalid event")


async def test_a_body_over_the_limit_is_refused_and_the_sink_lives_on(client: httpx.AsyncClient) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(BODY_BYTES // 1024 + 2):
            yield b" " * 1024

    assert (await client.post("/v2/enqueue", content=endless())).status_code == 413
    assert await send(client, "trigger") == "opened"


def test_the_oldest_are_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Ledger()
    for number in range(ledger.KEPT + 5):
        kept.take(Event(key=KEY, action=PageAction.TRIGGER, dedup_key=str(number), body={}))
    assert len(kept.alerts) == len(kept.entries) == ledger.KEPT
    again = Event(key=KEY, action=PageAction.TRIGGER, dedup_key="0", body={})
    assert kept.take(again).effect == "opened"
    assert kept.take(again).effect == "updated"


async def test_a_port_in_use_is_the_users_to_put_right(sink: PagerSink) -> None:
    with pytest.raises(UserError, match=r"--listen: 127\.0\.0\.1:.* cannot listen there"):
        async with running_sink(port=int(sink.url.rsplit(":", 1)[1])):
            pass


async def test_a_file_that_cannot_be_written_is_too(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--file: .* cannot be written"):
        async with running_sink(file=tmp_path / "none" / "pages.jsonl"):
            pass


@pytest.mark.parametrize(("listen", "address"), [("127.0.0.1:9790", ("127.0.0.1", 9790)), ("[::1]:0", ("::1", 0))])
def test_the_command_reads_an_address(listen: str, address: tuple[str, int]) -> None:
    assert _address(listen) == address


def test_the_command_prints_and_keeps_each_event(tmp_path: Path) -> None:
    port = free_port()
    kept = tmp_path / "pages.jsonl"
    argv = [sys.executable, "-m", "monitor", "pager", "sink", "--listen", f"127.0.0.1:{port}", "--file", str(kept)]
    with Process(argv, tmp_path / "log") as process:
        until(lambda: "taking events at" in process.output(), what="the sink's start")
        hostile = V2 | {"payload": {"summary": "down\x1b[2J\nfake line", "source": "api", "severity": "info"}}
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
            for body in (hostile, without(V2, "payload") | {"event_action": "resolve"}):
                assert client.post("/v2/enqueue", json=body).status_code == 202
        assert process.stop() == 0
        lines = process.output().splitlines()
    assert [line.split()[1:] for line in lines[1:]] == [["opened", "k", "down�[2J", "fake", "line"], ["resolved", "k"]]
    assert [json.loads(line)["effect"] for line in kept.read_text().splitlines()] == ["opened", "resolved"]
    assert kept.stat().st_mode & 0o777 == 0o600
    assert KEY not in kept.read_text() + "".join(lines)


@pytest.mark.parametrize("listen", ["nonsense", ":80", "127.0.0.1:", "127.0.0.1:99999", "127.0.0.1:http"])
def test_what_is_no_address_is_said(listen: str) -> None:
    with pytest.raises(UserError, match="is not HOST:PORT; right would be 127"):
        _address(listen)


def test_the_command_ends_with_2_for_a_wrong_address(tmp_path: Path) -> None:
    with Process(
        [sys.executable, "-m", "monitor", "pager", "sink", "--listen", "nonsense"], tmp_path / "log"
    ) as process:
        assert process.popen.wait(20) == 2
        assert process.output() == "--listen: 'nonsense' is not HOST:PORT; right would be 127.0.0.1:9790\n"


async def test_a_client_that_goes_away_leaves_nothing_behind(sink: PagerSink, client: httpx.AsyncClient) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", int(sink.url.rsplit(":", 1)[1]))
    writer.write(b"POST /v2/enqueue HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
    await writer.drain()
    writer.transport.abort()
    assert await send(client, "trigger") == "opened"
    assert len(sink.entries) == 1
