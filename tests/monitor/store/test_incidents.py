from __future__ import annotations

from dataclasses import replace
from datetime import timedelta, timezone

import pytest
from sqlalchemy.exc import IntegrityError

from alerts.incident import Firing, IncidentState, RunbookPin, Step, StepState, TimelineEntry
from alerts.verdict import Level
from monitor.store import Store
from tests.support.incidents import NOON, OPEN, saved

PIN = RunbookPin(path="runbooks/api.md", title="API", sha256="ab" * 32)
FULL = replace(
    OPEN,
    state=IncidentState.ACKNOWLEDGED,
    acknowledged_at=NOON + timedelta(minutes=1),
    acknowledged_by="ada",
    firing=(Firing(rule="outage", level=Level.PAGE, summary="3 failures", since=NOON - timedelta(seconds=30)),),
    evidence=(("expected", "200"), ("seen", "503")),
    runbook=PIN,
    steps=(
        Step(id="look", title="Look", state=StepState.DONE, actor="ada", changed_at=NOON, note="seen"),
        Step(id="act", title="Act"),
    ),
)


def entry(text: str) -> TimelineEntry:
    return TimelineEntry(at=NOON, actor="monitor", source="daemon", kind="noted", text=text)


async def test_an_incident_comes_back_as_it_was_saved(store: Store) -> None:
    async with store.write() as tx:
        await tx.save(FULL, [entry("one"), entry("two")])
        await tx.pin_runbook(PIN.sha256, PIN.path, "# API\n")
        assert await tx.incident(FULL.id) == FULL
    assert await store.incident(FULL.id) == FULL
    assert [line.text for line in await store.timeline(FULL.id)] == ["one", "two"]
    assert (await store.timeline(FULL.id))[0] == entry("one")
    assert await store.runbook_text(PIN.sha256) == "# API\n"


async def test_saving_again_updates_and_appends(store: Store) -> None:
    async with store.write() as tx:
        await tx.pin_runbook(PIN.sha256, PIN.path, "# API\n")
        await tx.save(FULL, [entry("one")])
    done = replace(FULL.steps[1], state=StepState.SKIPPED, actor="bob", changed_at=NOON, note="not needed")
    later = replace(FULL, state=IncidentState.RESOLVED, resolved_at=NOON, firing=(), steps=(FULL.steps[0], done))
    async with store.write() as tx:
        await tx.save(later, [entry("two")])
        await tx.append(later.id, [entry("three")])
    assert await store.incident(FULL.id) == later
    assert [line.text for line in await store.timeline(FULL.id)] == ["one", "two", "three"]


async def test_what_is_not_there_is_none(store: Store) -> None:
    assert await store.incident(99) is None
    assert await store.timeline(99) == []
    assert await store.runbook_text("00") is None
    async with store.write() as tx:
        assert await tx.open_incident("api", "eu") is None
        assert await tx.incident(99) is None


async def test_the_open_incident_is_of_its_target_and_region(store: Store) -> None:
    resolved = await saved(store, state=IncidentState.RESOLVED)
    here = await saved(store)
    there = await saved(store, region="us")
    other = await saved(store, target="web")
    async with store.write() as tx:
        assert await tx.open_incident("api", "eu") == here
        assert await tx.open_incident("api", "us") == there
        assert await tx.open_incident("web", "us") is None
    assert await store.incidents() == [other, there, here, resolved]
    assert await store.incidents(open_only=True, target="api") == [there, here]
    assert await store.incidents(limit=1) == [other]


async def test_numbers_are_given_out_once(store: Store) -> None:
    async with store.write() as tx:
        given = [await tx.allocate(*key) for key in (("api", "eu"), ("api", "eu"), ("api", "us"), ("web", "eu"))]
    assert given == [(1, 1), (2, 2), (3, 1), (4, 1)]


async def test_the_database_refuses_a_second_open_incident(store: Store) -> None:
    first = await saved(store)
    with pytest.raises(IntegrityError):
        await saved(store)
    assert await store.incidents() == [first]


async def test_the_database_refuses_a_dedup_key_in_use(store: Store) -> None:
    first = await saved(store, state=IncidentState.RESOLVED)
    with pytest.raises(IntegrityError):
        async with store.write() as tx:
            await tx.save(replace(first, id=first.id + 1, episode=first.episode + 1))
    assert await store.incidents() == [first]


async def test_an_incident_cannot_name_a_runbook_that_is_not_kept(store: Store) -> None:
    with pytest.raises(IntegrityError):
        async with store.write() as tx:
            await tx.save(FULL)
    assert await store.incident(FULL.id) is None


async def test_an_exception_undoes_the_whole_transaction(store: Store) -> None:
    with pytest.raises(KeyError):  # noqa: PT012
        async with store.write() as tx:
            await tx.save(OPEN, [entry("one")])
            await tx.audit(NOON, "ada", "cli", "opened", "incident 1", {})
            raise KeyError
    assert await store.incidents() == []
    assert await store.audit_rows() == []


async def test_times_of_any_zone_come_back_in_utc_and_naive_ones_are_refused(store: Store) -> None:
    east = NOON.astimezone(timezone(timedelta(hours=9)))
    incident = await saved(store, opened_at=east)
    read = await store.incident(incident.id)
    assert read
    assert read.opened_at == NOON
    assert read.opened_at.utcoffset() == timedelta(0)
    with pytest.raises(Exception, match="aware"):
        await saved(store, target="web", opened_at=NOON.replace(tzinfo=None))


async def test_text_that_a_database_cannot_hold_is_kept_without_it(store: Store) -> None:
    incident = await saved(store, title="nul \x00, lone \ud800, fine \U0001f600", evidence=(("seen", "a\x00\udfff"),))
    read = await store.incident(incident.id)
    assert read
    assert read.title == "nul \ufffd, lone \ufffd, fine \U0001f600"
    assert read.evidence[0][1].endswith("\ufffd")


async def test_a_pinned_text_never_changes(store: Store) -> None:
    async with store.write() as tx:
        await tx.pin_runbook("ab", "one.md", "first")
        await tx.pin_runbook("ab", "two.md", "second")
    assert await store.runbook_text("ab") == "first"


async def test_the_audit_trail_reads_newest_first(store: Store) -> None:
    async with store.write() as tx:
        await tx.audit(NOON, "ada", "cli", "acknowledged", "incident 1", {"why": "mine"})
        await tx.audit(NOON, "bob", "cli", "resolved", "incident 1", {})
    newest, oldest = await store.audit_rows()
    assert (newest.actor, newest.action, newest.details) == ("bob", "resolved", {})
    assert (oldest.at, oldest.source, oldest.subject, oldest.details) == (NOON, "cli", "incident 1", {"why": "mine"})
    assert await store.audit_rows(limit=1) == [newest]
