"""What goes between a scan process and its parent: JSON, which cannot carry code as a pickle would."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from probes.result import FailureReason
from probes.tls.facts import TlsFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A ScanError on its way."""

    reason: FailureReason
    detail: str
    kind: Literal["refusal"] = "refusal"


Answer = TlsFacts | Refusal
