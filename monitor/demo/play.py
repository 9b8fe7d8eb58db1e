"""The story: healthy, degrading, paged, answered step by step, recovered, resolved."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

from alerts.incident import IncidentState, StepState
from monitor.demo.certificates import Authority
from monitor.demo.sample import SampleService
from monitor.demo.settings import FACES
from monitor.demo.stage import NotSeen, Story, command
from monitor.demo.watch import Watch
from monitor.pager_sink import Alert

RENEWED_DAYS = 90
# Who does which steps of which runbook, as `monitor incidents step` ticks them.
RESPONSE = (
    ("shop", "ada", ("look", "deploy", "rollback")),
    ("search", "grace", ("phases", "replicas")),
)


class Play:
    """Acts one to eight. Each reads back what it claims; the first that cannot raises NotSeen."""

    def __init__(self, story: Story, watch: Watch, service: SampleService, authority: Authority, folder: Path) -> None:
        self._story = story
        self._watch = watch
        self._service = service
        self._authority = authority
        self._folder = folder

    async def run(self) -> None:
        await self._healthy()
        await self._certificate()
        await self._degrading()
        await self._failing_and_down()
        await self._runbook_links()
        await self._response()
        await self._recovered()
        await self._resolved()

    async def _healthy(self) -> None:
        async def all_succeed() -> bool:
            return await self._watch.succeeding() == set(FACES)

        await self._story.until("every target healthy", all_succeed)
        self._story.saw("healthy", f"probe_success is 1 for {', '.join(FACES)} in /metrics")

    async def _certificate(self) -> None:
        alert = await self._paged("payments")
        self._story.saw("expiring certificate", _summary(alert))

        async def grade() -> str | None:
            return await self._watch.grade("payments")

        letter = await self._story.until("a TLS grade of payments", grade)
        self._story.saw("TLS grade", f"payments is graded {letter} in /metrics, as SSL Labs would")

    async def _degrading(self) -> None:
        self._story.tell("the fault: search answers 300 ms late, twice its objective; it is not down", "yellow")
        self._service.slow.add("search")
        alert = await self._paged("search")
        if "search" not in await self._watch.succeeding():
            raise NotSeen("degradation: search was paged, but as an outage")
        self._story.saw("degrading", f"{_summary(alert)}; its probes still succeed")

    async def _failing_and_down(self) -> None:
        self._story.tell("the faults: shop answers 500, inventory closes its port", "yellow")
        self._service.failing.add("shop")
        await self._service.take_down("inventory")
        for target in ("shop", "inventory"):
            self._story.saw("page raised", _summary(await self._paged(target)))

    async def _runbook_links(self) -> None:
        for target in FACES:
            (alert,) = self._watch.alerts(target)
            link = next((link for link in alert.body["links"] if link["text"].startswith("Runbook: ")), None)
            if link is None or not await self._watch.page_opens(link["href"], link["text"].removeprefix("Runbook: ")):
                raise NotSeen(f"runbook of {target}: no link in the page, or it leads nowhere")
            self._story.tell(f"  {target}: {link['text']} <{link['href']}>")
        self._story.saw("runbooks", "the link of every page opens the runbook that was pinned to its incident")

    async def _response(self) -> None:
        for target, person, steps in RESPONSE:
            number = str((await self._watch.incidents())[target][0].id)
            await self._command("incidents", "ack", number, "--as", person)
            for step in steps:
                await self._command("incidents", "step", number, step, "--done", "--as", person)
            await self._story.until(f"acknowledgement of {target} at the pager", self._acknowledged(target))
        incidents = await self._watch.incidents()
        for target, person, _ in RESPONSE:
            done = {(step.state, step.actor) for step in incidents[target][0].steps}
            if done != {(StepState.DONE, person)}:
                raise NotSeen(f"steps of {target}: not all done by {person} in the store")
        self._story.saw("answered", "acknowledged at the pager, every step in the store with its name and time")

    async def _recovered(self) -> None:
        self._story.tell("repairing: shop, search, inventory; and the certificate of payments is renewed", "yellow")
        self._service.failing.clear()
        self._service.slow.clear()
        await self._service.bring_up("inventory")
        self._service.serve_certificate("payments", self._authority.issue(self._folder, RENEWED_DAYS))

        async def all_succeed() -> bool:
            return await self._watch.succeeding() == set(FACES)

        await self._story.until("every target healthy again", all_succeed)
        self._story.saw("recovered", "probe_success is 1 again for all in /metrics")

    async def _resolved(self) -> None:
        async def none_open() -> bool:
            alerts = [alert for target in FACES for alert in self._watch.alerts(target)]
            incidents = [one for of_target in (await self._watch.incidents()).values() for one in of_target]
            open_count = sum((await self._watch.values("monitor_incidents_open")).values())
            ended = all(one.state is IncidentState.RESOLVED for one in incidents)
            return ended and open_count == 0 and all(alert.status == "resolved" for alert in alerts)

        await self._story.until("everything resolved", none_open, seconds=45)
        for target in FACES:
            if len(self._watch.alerts(target)) != 1 or len((await self._watch.incidents())[target]) != 1:
                raise NotSeen(f"exactly one page: {target} has more")
        self._story.saw("resolved", "exactly one incident and one page for each fault, resolved in store and pager")

    async def _paged(self, target: str) -> Alert:
        async def alert() -> Alert | None:
            return next(iter(self._watch.alerts(target)), None)

        return await self._story.until(f"a page for {target}", alert)

    def _acknowledged(self, target: str) -> Callable[[], Awaitable[bool]]:
        async def acknowledged() -> bool:
            return all(alert.status == "acknowledged" for alert in self._watch.alerts(target))

        return acknowledged

    async def _command(self, *arguments: str) -> None:
        data = self._folder / "data"
        self._story.tell(f"$ monitor {' '.join(arguments)} --data {data}", "cyan")
        await command(*arguments, data=data)


def _summary(alert: Alert) -> str:
    return str(alert.body["payload"]["summary"])
