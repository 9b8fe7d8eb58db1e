"""Measure. Knows nothing of alerts or storage. `PROBES` is the index: one file a kind, one signature."""

from __future__ import annotations

import sys
from importlib import import_module

from probes.context import Probe
from probes.target import Target

# httpx brings a command line of its own along where rich, pygments and click are installed: 6 MB in each process, and a
# tenth of a second. Without it, it says how to get it, to whom asks.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]

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
