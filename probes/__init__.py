"""Measure. Knows nothing of alerts or storage. `PROBES` is the index: one file a kind, one signature."""

from __future__ import annotations

from importlib import import_module

from probes.context import Probe, ProbeContext
from probes.result import ProbeResult
from probes.target import Target

MODULES = {
    "http": "probes.http",
    "tcp": "probes.tcp",
    "dns": "probes.dns",
    "tls_grade": "probes.tls.probe",
}


def load(kind: str) -> Probe:
    """The probe itself. Imports its module: a worker that probes HTTP never loads sslyze."""
    probe: Probe = import_module(MODULES[kind]).probe
    return probe


def _late(kind: str) -> Probe:
    async def probe(target: Target, context: ProbeContext) -> ProbeResult:
        return await load(kind)(target, context)

    return probe


PROBES: dict[str, Probe] = {kind: _late(kind) for kind in MODULES}
