"""Measure. Knows nothing of alerts or storage. `PROBES` is the index: one file a kind, one signature."""

from __future__ import annotations

from importlib import import_module

from probes.context import Probe

PROBES = {
    "http": "probes.http",
    "tcp": "probes.tcp",
    "dns": "probes.dns",
    "tls_grade": "probes.tls.probe",
}


def load(kind: str) -> Probe:
    """The probe itself. Imports its module: a worker that probes HTTP never loads sslyze."""
    probe: Probe = import_module(PROBES[kind]).probe
    return probe
