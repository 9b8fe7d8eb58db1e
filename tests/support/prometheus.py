"""A real Prometheus from the Debian package, with its own configuration, data folder and port."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.process import Process, program
from tests.support.wait import free_port, until

_CONFIGURATION = """\
global: {{scrape_interval: 1s, scrape_timeout: 900ms}}
scrape_configs:
  - job_name: monitor
    honor_labels: true
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""


class Prometheus:
    def __init__(self, base: str) -> None:
        self.base = base

    def get(self, path: str, **parameters: str | list[str]) -> Any:
        """The `data` of an answer of the HTTP API; AssertionError with Prometheus's own words when it refuses."""
        query = urllib.parse.urlencode(parameters, doseq=True)
        try:
            with urllib.request.urlopen(f"{self.base}{path}?{query}", timeout=10) as response:
                return json.load(response)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{path} {parameters}: {error.read().decode()}") from None

    def query(self, promql: str) -> list[dict[str, Any]]:
        result: list[dict[str, Any]] = self.get("/api/v1/query", query=promql)["result"]
        return result

    def label_values(self, selector: str, label: str) -> list[str]:
        """What Grafana's `label_values(selector, label)` asks for."""
        values: list[str] = self.get(f"/api/v1/label/{label}/values", **{"match[]": [selector]})
        return values


@contextmanager
def prometheus(scraped_port: int, folder: Path) -> Iterator[Prometheus]:
    """A Prometheus that scrapes /metrics on that port every second, ready to answer."""
    port = free_port()
    configuration = folder / "prometheus.yml"
    configuration.write_text(_CONFIGURATION.format(port=scraped_port))
    argv = [
        program("prometheus"),
        f"--config.file={configuration}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with Process(argv, folder / "prometheus.log") as process:
        server = Prometheus(f"http://127.0.0.1:{port}")
        until(lambda: _ready(server, process), seconds=30, what="prometheus")
        yield server


def _ready(server: Prometheus, process: Process) -> bool:
    assert process.running(), process.output()
    try:
        urllib.request.urlopen(f"{server.base}/-/ready", timeout=1).close()
    except OSError:
        return False
    return True
