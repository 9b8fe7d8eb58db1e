"""What every probe worker needs, imported once in the process that workers are forked from: they share its memory."""

from __future__ import annotations

import gc

import probes.engine.worker
import probes.http  # noqa: F401 - the kind that nearly every worker probes

gc.collect()
gc.freeze()  # a collector that looks through what is shared would write to it, and so make a copy
