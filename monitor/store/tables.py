"""Every table. `migrations/` makes the same; a test compares the two."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Table, UniqueConstraint, text

from monitor.store.types import BigId, CompactTime, SafeText, UtcTime

metadata = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)

# The very text of each runbook that an incident was opened with.
runbooks = Table(
    "runbooks",
    metadata,
    Column("sha256", sa.Text, primary_key=True),
    Column("path", SafeText, nullable=False),
    Column("text", SafeText, nullable=False),
)

# The last number given out; incidents and episodes are never numbered twice, whatever becomes of their rows.
counters = Table(
    "counters",
    metadata,
    Column("name", sa.Text, primary_key=True),
    Column("value", sa.BigInteger, nullable=False),
)
episodes = Table(
    "episodes",
    metadata,
    Column("target", sa.Text, primary_key=True),
    Column("region", sa.Text, primary_key=True),
    Column("value", sa.BigInteger, nullable=False),
)

incidents = Table(
    "incidents",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=False),
    Column("target", sa.Text, nullable=False),
    Column("region", sa.Text, nullable=False),
    Column("episode", sa.BigInteger, nullable=False),
    Column("dedup_key", sa.Text, nullable=False),
    Column("state", sa.Text, nullable=False),
    Column("level", sa.Text, nullable=False),
    Column("severity", sa.Text, nullable=False),
    Column("title", SafeText, nullable=False),
    Column("route", sa.Text),
    Column("opened_at", UtcTime, nullable=False),
    Column("acknowledged_at", UtcTime),
    Column("acknowledged_by", SafeText),
    Column("resolved_at", UtcTime),
    Column("resolved_by", SafeText),
    Column("firing", sa.JSON, nullable=False),
    Column("evidence", sa.JSON, nullable=False),
    Column("runbook_path", SafeText),
    Column("runbook_title", SafeText),
    # Deferred: pinning the text and saving the incident may come in either order within a transaction.
    Column("runbook_sha256", sa.Text, ForeignKey("runbooks.sha256", deferrable=True, initially="DEFERRED")),
    CheckConstraint("state IN ('triggered', 'acknowledged', 'resolved')", name="state"),
    UniqueConstraint("dedup_key"),
    UniqueConstraint("target", "region", "episode"),
    # The database itself refuses a second open incident of a target.
    Index(
        "uq_incidents_open",
        "target",
        "region",
        unique=True,
        sqlite_where=text("state <> 'resolved'"),
        postgresql_where=text("state <> 'resolved'"),
    ),
)

# A table, not JSON on the incident: "who did which step when" is a question for SQL, across incidents.
steps = Table(
    "steps",
    metadata,
    Column("incident_id", sa.BigInteger, ForeignKey("incidents.id"), primary_key=True),
    Column("step_id", SafeText, primary_key=True),
    Column("position", sa.Integer, nullable=False),
    Column("title", SafeText, nullable=False),
    Column("state", sa.Text, nullable=False),
    Column("actor", SafeText),
    Column("changed_at", UtcTime),
    Column("note", SafeText),
    CheckConstraint("state IN ('todo', 'doing', 'done', 'failed', 'skipped')", name="state"),
)

timeline = Table(
    "timeline",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("incident_id", sa.BigInteger, ForeignKey("incidents.id"), nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("actor", SafeText, nullable=False),
    Column("source", SafeText, nullable=False),
    Column("kind", sa.Text, nullable=False),
    Column("text", SafeText, nullable=False),
    Index(None, "incident_id", "id"),
    sqlite_autoincrement=True,
)

audit = Table(
    "audit",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("at", UtcTime, nullable=False),
    Column("actor", SafeText, nullable=False),
    Column("source", SafeText, nullable=False),
    Column("action", SafeText, nullable=False),
    Column("subject", SafeText, nullable=False),
    Column("details", sa.JSON, nullable=False),
    sqlite_autoincrement=True,
)

# Events for pagers, written in the transaction of the change that they tell of.
outbox = Table(
    "outbox",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("incident_id", sa.BigInteger, ForeignKey("incidents.id"), nullable=False),
    Column("dedup_key", sa.Text, nullable=False),
    Column("event", sa.JSON, nullable=False),
    Column("state", sa.Text, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("touched_at", UtcTime, nullable=False),  # made, or last leased: the clock was later than this already
    Column("due_at", UtcTime, nullable=False),
    Column("attempts", sa.Integer, nullable=False),
    Column("lease_owner", sa.Text),
    Column("lease_until", UtcTime),
    Column("finished_at", UtcTime),
    Column("note", SafeText),  # the pager's receipt, or why the last attempt failed
    CheckConstraint("state IN ('pending', 'sent', 'parked')", name="state"),
    Index(None, "incident_id"),
    # Small however long the history is: delivery and metrics look here all the time.
    Index(
        "ix_outbox_pending",
        "dedup_key",
        "id",
        sqlite_where=text("state = 'pending'"),
        postgresql_where=text("state = 'pending'"),
    ),
    Index(
        "ix_outbox_parked",
        "id",
        sqlite_where=text("state = 'parked'"),
        postgresql_where=text("state = 'parked'"),
    ),
    sqlite_autoincrement=True,
)

# What is measured together: results and minutes name it by number, which keeps millions of rows short.
series = Table(
    "series",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("target", sa.Text, nullable=False),
    Column("region", sa.Text, nullable=False),
    Column("kind", sa.Text, nullable=False),
    UniqueConstraint("target", "region", "kind"),
)

# Clustered by time, so that retention removes one end of it; the natural key makes a repeated write harmless.
results = Table(
    "results",
    metadata,
    Column("started_at", CompactTime, primary_key=True),
    Column("series_id", sa.BigInteger, ForeignKey("series.id"), primary_key=True),
    Column("duration_seconds", sa.Double, nullable=False),
    Column("late_seconds", sa.Double, nullable=False),
    Column("phases", sa.JSON, nullable=False),
    Column("reason", sa.Text),  # null: the probe succeeded
    Column("detail", SafeText),
    Column("status_code", sa.Integer),
    Column("address", SafeText),
    Column("flags", sa.SmallInteger, nullable=False, server_default=text("0")),  # bits, see `flags.py`
    sqlite_with_rowid=False,
)

minutes = Table(
    "minutes",
    metadata,
    Column("series_id", sa.BigInteger, ForeignKey("series.id"), primary_key=True),
    Column("minute", CompactTime, primary_key=True),
    Column("total", sa.Integer, nullable=False),
    Column("failed", sa.Integer, nullable=False),
    Column("slow", sa.JSON, nullable=False),
    Column("histogram", sa.JSON, nullable=False),
    Column("suspect", sa.JSON, nullable=False, server_default=text("'{}'")),
    sqlite_with_rowid=False,
)

# One row a run of equal grades: `first_at` when it was first seen so, `last_at` when last.
grades = Table(
    "grades",
    metadata,
    Column("series_id", sa.BigInteger, ForeignKey("series.id"), primary_key=True),
    Column("first_at", UtcTime, primary_key=True),
    Column("last_at", UtcTime, nullable=False),
    Column("letter", sa.Text, nullable=False),
    Column("facts", sa.JSON, nullable=False),
)
