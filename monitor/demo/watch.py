"""Reading back what really happened: from the daemon's /metrics, from its store, from the pager sink."""

from __future__ import annotations

import httpx
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from alerts.incident import Incident
from monitor.pager_sink import Alert, PagerSink
from monitor.store import Store


class Watch:
    def __init__(self, daemon_url: str, sink: PagerSink, store: Store, client: httpx.AsyncClient) -> None:
        self._daemon_url = daemon_url
        self._sink = sink
        self._store = store
        self._client = client

    async def values(self, metric: str) -> dict[str, float]:
        """The metric's value by target; of the last series where a target has several."""
        return {sample.labels.get("target", ""): sample.value for sample in await self._samples(metric)}

    async def grade(self, target: str) -> str | None:
        """The letter of the target's newest TLS scan; None before the first."""
        samples = await self._samples("monitor_tls_grade_info")
        return next((sample.labels["grade"] for sample in samples if sample.labels["target"] == target), None)

    async def _samples(self, metric: str) -> list[Sample]:
        try:
            text = (await self._client.get(f"{self._daemon_url}/metrics")).text
        except httpx.TransportError:
            return []
        families = text_string_to_metric_families(text)
        return [sample for family in families for sample in family.samples if sample.name == metric]

    async def succeeding(self) -> set[str]:
        return {target for target, value in (await self.values("probe_success")).items() if value == 1}

    async def page_opens(self, url: str, words: str) -> bool:
        """Whether a link of a page leads to a text with these words."""
        answer = await self._client.get(url)
        return answer.status_code == httpx.codes.OK and words in answer.text

    def alerts(self, target: str) -> list[Alert]:
        """What the pager has of the target, oldest first."""
        return [alert for alert in self._sink.alerts if alert.body["payload"]["source"] == target]

    async def incidents(self) -> dict[str, list[Incident]]:
        """What the store has, by target, newest first."""
        found: dict[str, list[Incident]] = {}
        for incident in await self._store.incidents():
            found.setdefault(incident.target, []).append(incident)
        return found
