"""The settings file of the demo: what a user would write, with intervals and windows made short."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

FACES = ("shop", "search", "payments", "inventory")

# An objective over 6 h has burn windows of 1/120 of the usual: 30 s and 2.5 s in place of 1 h and 5 min.
_SETTINGS = """\
region: demo
pagerduty:
  events_url: {events_url}
  routes:
    default: {{routing_key: env:PD_KEY}}
web: {{listen: "127.0.0.1:{port}"}}
data: data
defaults:
  every: 500ms
  timeout: 450ms
  outage: {{failures: 3, for: 1s}}
  recovery: {{successes: 3, for: 1s}}
targets:
  - name: shop
    url: http://127.0.0.1:{shop}/health
    expect: {{status: [200], json: {{status: up}}}}
    slo: {{availability: 99.9%, window: 6h}}
    runbook: runbooks/shop.md
  - name: search
    url: http://127.0.0.1:{search}/health
    slo: {{latency: {{p99: 150ms}}, window: 6h}}
    runbook: runbooks/search.md
    severity: error
  - name: payments
    url: https://127.0.0.1:{payments}/health
    tls: {{grade: A, ca_file: ca.pem, expiry: {{ticket: 21d, page: 7d}}}}
    runbook: runbooks/payments.md
    severity: warning
  - name: inventory
    url: tcp://127.0.0.1:{inventory}
    runbook: runbooks/inventory.md
"""


def write_settings(folder: Path, *, events_url: str, port: int, ports: Mapping[str, int]) -> Path:
    """The settings file, with its runbooks beside it."""
    runbooks = folder / "runbooks"
    runbooks.mkdir()
    for name in FACES:
        source = files("monitor.demo").joinpath("runbooks", f"{name}.md")
        with source.open("rb") as packaged, (runbooks / f"{name}.md").open("wb") as copy:
            shutil.copyfileobj(packaged, copy)
    path = folder / "monitor.yaml"
    path.write_text(_SETTINGS.format(events_url=events_url, port=port, **ports))
    return path
