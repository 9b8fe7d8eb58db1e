"""Measure. Knows nothing of alerts or storage. `PROBES` is the index: one file a kind, one signature."""

from __future__ import annotations

from importlib import import_module

from probes.context import Probe
from probes.target import Target

PROBES = {
    "http": "probes.http",
    "tcp": "probes.tcp",
    "tls": "probes.tls_handshake",
    "dns": "probes.dns",
    "icmp": "probes.icmp",
    "grpc": "probes.grpc",
    "websocket": "probes.websocket",
    "tls_grade": "probes.tls.probe",
}


def load(kind: str) -> Probe:
    """The probe itself. Imports its module: a worker that probes HTTP never loads sslyze."""
    probe: Probe = import_module(PROBES[kind]).probe
    return probe


def warm_up(target: Target) -> None:
    """Make now what its probe would make at the first time, where that takes long enough to show in what is measured
    meanwhile: a kind may have a `warm_up` for it."""
    module = import_module(PROBES[target.kind])
    if hasattr(module, "warm_up"):
        module.warm_up(target)
