"""The store: SQLite by default, PostgreSQL by URL, behind one set of methods."""

from __future__ import annotations

from monitor.store.address import sqlite_url
from monitor.store.errors import StoreUnavailable
from monitor.store.grades import GradeRun
from monitor.store.histogram import Histogram
from monitor.store.history import History, HistoryStats
from monitor.store.incidents import AuditRow
from monitor.store.minutes import MinuteSum
from monitor.store.open import open_store
from monitor.store.outbox import OutboxRow, OutboxStats
from monitor.store.results import RawResult
from monitor.store.retention import PruneCount
from monitor.store.rollup import MinuteRollup
from monitor.store.store import Store
from monitor.store.write import WriteTx

__all__ = [
    "AuditRow",
    "GradeRun",
    "Histogram",
    "History",
    "HistoryStats",
    "MinuteRollup",
    "MinuteSum",
    "OutboxRow",
    "OutboxStats",
    "PruneCount",
    "RawResult",
    "Store",
    "StoreUnavailable",
    "WriteTx",
    "open_store",
    "sqlite_url",
]
