"""How `monitor probe` writes times, outcomes and what others wrote."""

from __future__ import annotations

from rich.text import Text

from alerts.text import one_line
from monitor.redact import redact
from probes.result import ProbeResult


def said(text: str, limit: int = 500) -> str:
    """Text that a server or the settings brought, on one line, without secrets and control characters."""
    return one_line(redact(text), limit)


def milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.2f} ms"


def outcome(result: ProbeResult) -> Text:
    if result.failure is None:
        return Text("good", style="bold green")
    return Text(f"failed: {result.failure.reason}", style="bold red")
