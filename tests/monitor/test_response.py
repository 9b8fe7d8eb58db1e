from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

from alerts.incident import Incident, IncidentState, PageAction, StepState
from alerts.runbook import Runbook, parse
from alerts.verdict import Level, Signal, Verdict
from monitor import response
from monitor.clock import ManualClock
from monitor.errors import Conflict, NotFound, UserError
from monitor.links import Links
from monitor.redact import register_secret
from monitor.response import acknowledge, on_signal, read_runbooks
from monitor.store import Store
from monitor.store.write import WriteTx
from probes.target import Target
from tests.support.episodes import BOTH, TICKET, verdict

RUNBOOK = "# API is down\n\n- [ ] **Look** `id=look`\n- [ ] **Fix** `id=fix`\n"
PATH = Path("/etc/monitor/runbooks/api.md")
RUNBOOKS = {PATH: parse(RUNBOOK, "runbooks/api.md")}
TARGET = Target(name="api", url="http://api.example/", runbook=PATH)
LINKS = Links(external_url="https://monitor.example", dashboard_url="https://grafana.example/?t={target}")
DOWN = Verdict(
    rule="outage",
    target="api",
    firing=True,
    level=Level.PAGE,
    since_seconds=990.0,
    summary="3 failed in a row",
    evidence=(("expected", "status 200"), ("seen", "timeout")),
)
FIRED = Signal(target="api", fired=(DOWN,))
CLEAR = Signal(target="api", recovered=(replace(DOWN, firing=False, summary="up again"),), all_clear=True)


class Room:
    """A store and a clock that stands still until it is moved."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.clock = ManualClock()

    async def signal(self, signal: Signal = FIRED, target: Target | None = TARGET, **changes: Any) -> Incident | None:
        given: dict[str, Any] = {"region": "eu", "links": LINKS, "runbooks": RUNBOOKS, "clock": self.clock} | changes
        self.clock.advance(1)
        return await response.on_signal(self.store, signal, target, **given)

    async def opened(self) -> Incident:
        incident = await self.signal()
        assert incident is not None
        return incident

    async def act(self, act: Callable[..., Awaitable[Incident]], *words: str, number: int = 1, **more: Any) -> Incident:
        self.clock.advance(1)
        return await act(self.store, number, "ann", "cli", *words, clock=self.clock, **more)

    async def pages(self, number: int = 1) -> list[PageAction]:
        return [row.event.action for row in await self.store.outbox_rows(number)]

    async def kinds(self, number: int = 1) -> list[str]:
        return [entry.kind for entry in await self.store.timeline(number)]


@pytest.fixture
def room(store: Store) -> Room:
    return Room(store)


async def test_a_signal_opens_an_incident_with_its_runbook_page_and_audit_row(room: Room) -> None:
    incident = await room.opened()
    assert await room.store.incident(1) == incident
    assert incident.runbook is not None
    assert incident.runbook.sha256 == hashlib.sha256(RUNBOOK.encode()).hexdigest()
    assert await room.store.runbook_text(incident.runbook.sha256) == RUNBOOK
    assert [step.id for step in incident.steps] == ["look", "fix"]
    assert await room.kinds() == ["opened", "fired", "paged"]

    (row,) = await room.store.outbox_rows(1)
    event = row.event
    assert (event.action, event.route, event.dedup_key) == (PageAction.TRIGGER, "default", incident.dedup_key)
    assert (event.severity, event.source, event.component, event.group) == ("critical", "api", "api", "eu")
    assert (event.summary, event.class_, event.timestamp) == (incident.title, "outage", incident.opened_at)
    assert event.details == (("outage: expected", "status 200"), ("outage: seen", "timeout"))
    assert [link.href for link in event.links] == [
        "https://monitor.example/incidents/1#runbook",
        "https://grafana.example/?t=api",
        "https://monitor.example/incidents/1",
    ]
    assert event.client_url == "https://monitor.example/incidents/1"

    (audit,) = await room.store.audit_rows()
    assert (audit.actor, audit.source, audit.action, audit.subject) == (
        "monitor",
        "daemon",
        "incident opened",
        "incident 1",
    )
    assert audit.details["runbook_sha256"] == incident.runbook.sha256
    assert "outage (page): 3 failed in a row" in audit.details["changes"]


async def test_the_wall_clock_time_of_the_beginning_is_that_of_the_monotonic_one(room: Room) -> None:
    incident = await room.opened()
    assert (incident.opened_at - incident.firing[0].since).total_seconds() == room.clock.monotonic() - 990.0


async def test_the_same_signal_twice_is_one_incident_and_one_page(room: Room) -> None:
    incident = await room.opened()
    assert await room.signal() == incident
    assert await room.pages() == [PageAction.TRIGGER]
    assert len(await room.store.audit_rows()) == 1


async def test_two_signals_at_once_are_one_incident_and_one_page(room: Room) -> None:
    await asyncio.gather(*(room.signal() for _ in range(4)))
    assert [incident.id for incident in await room.store.incidents()] == [1]
    assert await room.pages() == [PageAction.TRIGGER]


async def test_all_clear_resolves_and_the_next_outage_is_a_new_episode_with_a_new_key(room: Room) -> None:
    first = await room.opened()
    ended = await room.signal(CLEAR)
    assert ended is not None
    assert (ended.state, ended.resolved_by) == (IncidentState.RESOLVED, "monitor")
    second = await room.opened()
    assert (second.id, second.episode) == (2, 2)
    assert second.dedup_key != first.dedup_key
    assert await room.pages() == [PageAction.TRIGGER, PageAction.RESOLVE]
    assert await room.pages(2) == [PageAction.TRIGGER]
    assert [row.action for row in await room.store.audit_rows()] == [
        "incident opened",
        "incident resolved",
        "incident opened",
    ]


async def test_what_ends_after_a_person_resolved_it_is_no_error(room: Room) -> None:
    await room.opened()
    await room.act(response.resolve, "a false alarm")
    assert await room.signal(CLEAR) is None
    assert await room.signal(replace(CLEAR, all_clear=False)) is None
    assert await room.pages() == [PageAction.TRIGGER, PageAction.RESOLVE]
    assert await room.kinds() == ["opened", "fired", "paged", "resolved"]


async def test_a_target_that_is_gone_has_its_incident_closed_and_opens_none(room: Room) -> None:
    assert await room.signal(target=None) is None
    await room.opened()
    ended = await room.signal(Signal(target="api", all_clear=True), target=None)
    assert ended is not None
    assert ended.state is IncidentState.RESOLVED


async def test_regions_have_incidents_of_their_own(room: Room) -> None:
    await room.signal()
    await room.signal(region="us")
    assert {(one.region, one.id) for one in await room.store.incidents()} == {("eu", 1), ("us", 2)}


async def test_a_ticket_that_becomes_a_page_goes_from_the_ticket_route_to_the_page_route(room: Room) -> None:
    target = TARGET.model_copy(update={"ticket_route": "queue"})
    ticket = replace(DOWN, rule="certificate", level=Level.TICKET)
    await room.signal(Signal(target="api", fired=(ticket,)), target)
    await room.signal(FIRED, target)
    await room.signal(CLEAR, target)
    events = [row.event for row in await room.store.outbox_rows(1)]
    assert [(event.action, event.route, event.severity) for event in events] == [
        (PageAction.TRIGGER, "queue", "warning"),
        (PageAction.RESOLVE, "queue", "critical"),
        (PageAction.TRIGGER, "default", "critical"),
        (PageAction.RESOLVE, "default", "critical"),
    ]
    assert [event.dedup_key.endswith(":ticket") for event in events] == [True, True, False, False]
    assert [event.class_ for event in events] == ["certificate", None, "outage", None]


async def test_a_page_goes_out_without_the_runbook_when_it_could_not_be_read(room: Room) -> None:
    incident = await room.signal(runbooks={})
    assert incident is not None
    assert (incident.runbook, incident.steps) == (None, ())
    assert await room.pages() == [PageAction.TRIGGER]
    assert await room.signal(Signal(target="b", fired=(replace(DOWN, target="b"),)), Target(name="b", url="tcp://b:1"))


async def test_an_edited_runbook_does_not_change_what_is_pinned(room: Room) -> None:
    first = await room.opened()
    await room.signal(CLEAR)
    edited: dict[Path, Runbook] = {PATH: parse(RUNBOOK + "- [ ] **Tell** `id=tell`\n", "runbooks/api.md")}
    await room.signal(runbooks=edited)
    assert first.runbook is not None
    assert await room.store.runbook_text(first.runbook.sha256) == RUNBOOK
    assert [len(incident.steps) for incident in await room.store.incidents()] == [3, 2]


async def test_a_secret_that_a_server_repeats_stays_out_of_incident_page_and_audit(room: Room) -> None:
    secret = "s3cret-of-the-api"
    register_secret(secret)
    leaky = replace(DOWN, summary=f"body has {secret}", evidence=(("seen", f"Authorization: {secret}"),))
    incident = await room.signal(Signal(target="api", fired=(leaky,)))
    await room.signal(Signal(target="api", recovered=(replace(leaky, firing=False),)))
    kept = [incident, await room.store.timeline(1), await room.store.outbox_rows(1), await room.store.audit_rows()]
    assert "body has" in repr(kept)
    assert secret not in repr(kept)


async def test_persons_acts_are_kept_with_name_and_time_and_told_to_the_pager(room: Room) -> None:
    await room.opened()
    acknowledged = await room.act(response.acknowledge)
    assert (acknowledged.state, acknowledged.acknowledged_by) == (IncidentState.ACKNOWLEDGED, "ann")
    await room.act(response.note, " the disk is full\n")
    stepped = await room.act(response.step, step_id="look", state=StepState.DONE, note="98 %")
    assert (stepped.steps[0].actor, stepped.steps[0].note) == ("ann", "98 %")
    resolved = await room.act(response.resolve)
    assert resolved.resolved_at == room.clock.now()
    await room.act(response.step, step_id="fix", state=StepState.SKIPPED, note="it healed")
    await room.act(response.note, "written up")
    assert await room.kinds() == [
        *("opened", "fired", "paged", "acknowledged", "noted", "step", "resolved", "step", "noted")
    ]
    assert await room.pages() == [PageAction.TRIGGER, PageAction.ACKNOWLEDGE, PageAction.RESOLVE]
    rows = await room.store.audit_rows()
    assert [row.action for row in rows[::-1]] == [
        "incident opened",
        "incident acknowledged",
        "incident noted",
        "incident step",
        "incident resolved",
        "incident step",
        "incident noted",
    ]
    assert {(row.actor, row.source) for row in rows[:-1]} == {("ann", "cli")}
    assert rows[1].details["changes"] == "step: fix: todo -> skipped: it healed"


async def test_two_people_acknowledge_at_once_and_one_hears_that_the_other_did(room: Room) -> None:
    await room.opened()
    both = await asyncio.gather(
        response.acknowledge(room.store, 1, "ann", "cli"),
        response.acknowledge(room.store, 1, "bob", "cli"),
        return_exceptions=True,
    )
    (conflict,) = [one for one in both if isinstance(one, Conflict)]
    assert conflict.exit_code == 1
    assert str(conflict).startswith("incident 1 was already acknowledged by ")
    assert await room.pages() == [PageAction.TRIGGER, PageAction.ACKNOWLEDGE]


async def test_what_cannot_be_done_changes_nothing(room: Room) -> None:
    await room.opened()
    before = await room.store.timeline(1)
    refused: list[tuple[type[UserError], str, Awaitable[Incident]]] = [
        (NotFound, "there is no incident 7; `monitor incidents list --all`", room.act(response.acknowledge, number=7)),
        (NotFound, "has no step 'loo'", room.act(response.step, step_id="loo", state=StepState.DONE)),
        (UserError, "say why it is failed", room.act(response.step, step_id="look", state=StepState.FAILED, note=" ")),
        (Conflict, "step look is todo already", room.act(response.step, step_id="look", state=StepState.TODO)),
        (UserError, "the note is empty", room.act(response.note, " \n")),
        (UserError, "the text has 4001 characters; 4000 are the most", room.act(response.note, "x" * 4001)),
        (UserError, "nobody is named", response.acknowledge(room.store, 1, " ", "cli")),
    ]
    for error, text, act in refused:
        with pytest.raises(error, match=text):
            await act
    assert await room.store.timeline(1) == before
    assert len(await room.store.audit_rows()) == 1


async def test_what_fails_on_the_way_leaves_nothing_behind(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> None:
        raise IntegrityError("the audit table is gone", None, Exception())

    with monkeypatch.context() as patch:
        patch.setattr(WriteTx, "audit", broken)
        with pytest.raises(IntegrityError):
            await room.signal()
    assert await room.store.incidents() == []
    assert await room.store.outbox_rows(1) == []
    assert (await room.opened()).episode == 1


def test_runbooks_are_read_once_and_called_by_their_path_from_the_settings(tmp_path: Path) -> None:
    inside, outside = tmp_path / "conf" / "runbooks" / "a.md", tmp_path / "b.md"
    inside.parent.mkdir(parents=True)
    inside.write_text(RUNBOOK)
    outside.write_text("# B")
    targets = [
        Target(name=f"t{number}", url="http://x/", runbook=path)
        for number, path in enumerate([inside, outside, inside, None])
    ]
    runbooks = read_runbooks(targets, tmp_path / "conf")
    assert {path: runbook.path for path, runbook in runbooks.items()} == {inside: "runbooks/a.md", outside: "b.md"}


def test_every_problem_of_every_runbook_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("---\nrunbook: 2\n---\n- [ ] **A** `limit=x`\n")
    targets = [Target(name=name, url="http://x/", runbook=tmp_path / f"{name}.md") for name in ("a", "b")]
    with pytest.raises(UserError) as caught:
        read_runbooks(targets, tmp_path)
    assert [problem.split(": ")[0] for problem in caught.value.problems] == ["a.md:2", "a.md:4", "b.md"]


async def test_a_ticket_mutes_no_outage(store: Store) -> None:
    """While a certificate nears its end, each outage is a page of its own that ends with it."""
    clock = ManualClock()
    down, up = verdict("outage"), verdict("outage", firing=False)

    async def signal(**changes: Any) -> Incident:
        clock.advance(60)
        told = await on_signal(
            store, Signal(target="api", **changes), BOTH, region="eu", links=Links(), runbooks={}, clock=clock
        )
        assert told is not None
        return told

    await signal(fired=(TICKET,))
    for _ in range(2):
        page = await signal(fired=(down,))
        await acknowledge(store, page.id, "ada", "cli")
        ticket = await signal(recovered=(up,))
        assert (ticket.level, [one.rule for one in ticket.firing]) == (Level.TICKET, [TICKET.rule])
    await signal(recovered=(verdict(TICKET.rule, Level.TICKET, firing=False),), all_clear=True)

    incidents = await store.incidents()
    assert {incident.state for incident in incidents} == {IncidentState.RESOLVED}
    rows = sorted([row for one in incidents for row in await store.outbox_rows(one.id)], key=lambda row: row.id)
    to_people = [(row.event.action, row.event.dedup_key) for row in rows if row.event.route == "people"]
    assert [action for action, _ in to_people] == [PageAction.TRIGGER, PageAction.ACKNOWLEDGE, PageAction.RESOLVE] * 2
    assert len({key for _, key in to_people}) == 2
