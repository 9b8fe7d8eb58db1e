"""Measure. Knows nothing of alerts or storage. `PROBES` is the index: one file a kind, one signature."""

from __future__ import annotations

from probes.context import Probe

PROBES: dict[str, Probe] = {}
