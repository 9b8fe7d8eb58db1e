"""A local server that speaks PagerDuty's Events API and keeps what it got: for the demo, for drills and for tests."""

from __future__ import annotations

from monitor.pager_sink.ledger import Alert, Entry, Ledger
from monitor.pager_sink.server import PagerSink, running_sink

__all__ = ["Alert", "Entry", "Ledger", "PagerSink", "running_sink"]
