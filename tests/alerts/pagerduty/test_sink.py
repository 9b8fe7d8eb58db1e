import json
import os
from pathlib import Path

import pytest

from alerts.incident import PageAction
from alerts.pagerduty.event import PageEvent, PagerRetry
from alerts.pagerduty.sink import FileSink

EVENT = PageEvent(action=PageAction.TRIGGER, route="default", dedup_key="k", summary="down\nhard", source="api")


async def test_each_event_is_a_line_that_only_the_owner_reads(tmp_path: Path) -> None:
    path = tmp_path / "new" / "pages.jsonl"
    sink = FileSink(path)
    for action in PageAction:
        await sink.send(PageEvent(action=action, route="default", dedup_key="k", summary="down", source="api"))
    await sink.close()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["event_action"] for line in lines] == ["trigger", "acknowledge", "resolve"]
    assert lines[0]["payload"] == {"summary": "down", "source": "api", "severity": "critical"}
    assert "routing_key" not in lines[0]
    assert path.stat().st_mode & 0o777 == 0o600


async def test_a_line_that_was_cut_does_not_spoil_the_next(tmp_path: Path) -> None:
    path = tmp_path / "pages.jsonl"
    path.write_text('{"event_action": "trig')
    await FileSink(path).send(EVENT)
    assert json.loads(path.read_text().splitlines()[1])["payload"]["summary"] == "down hard"


@pytest.mark.parametrize("place", ["folder", "pipe", "under a file"])
async def test_a_path_that_cannot_be_a_file_is_said_loudly(tmp_path: Path, place: str) -> None:
    path = tmp_path / place
    if place == "folder":
        path.mkdir()
    elif place == "pipe":
        os.mkfifo(path)
    else:
        path.write_text("")
        path = path / "pages.jsonl"
    with pytest.raises(PagerRetry, match="cannot write") as caught:
        await FileSink(path).send(EVENT)
    assert caught.value.misconfigured


@pytest.mark.parametrize("path", ["/dev/full"])
async def test_a_device_is_no_file(path: str) -> None:
    with pytest.raises(PagerRetry, match="not a regular file"):
        await FileSink(Path(path)).send(EVENT)
