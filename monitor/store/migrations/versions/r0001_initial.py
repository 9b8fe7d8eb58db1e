"""The first schema.

Revision ID: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, UniqueConstraint, text

from monitor.store.types import BigId, CompactTime, SafeText, UtcTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "runbooks",
        Column("sha256", sa.Text, primary_key=True),
        Column("path", SafeText, nullable=False),
        Column("text", SafeText, nullable=False),
    )
    op.create_table(
        "counters",
        Column("name", sa.Text, primary_key=True),
        Column("value", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "episodes",
        Column("target", sa.Text, primary_key=True),
        Column("region", sa.Text, primary_key=True),
        Column("value", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "incidents",
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
        Column("runbook_sha256", sa.Text, ForeignKey("runbooks.sha256", deferrable=True, initially="DEFERRED")),
        CheckConstraint("state IN ('triggered', 'acknowledged', 'resolved')", name="state"),
        UniqueConstraint("dedup_key"),
        UniqueConstraint("target", "region", "episode"),
        Index(
            "uq_incidents_open",
            "target",
            "region",
            unique=True,
            sqlite_where=text("state <> 'resolved'"),
            postgresql_where=text("state <> 'resolved'"),
        ),
    )
    op.create_table(
        "steps",
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
    op.create_table(
        "timeline",
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
    op.create_table(
        "audit",
        Column("id", BigId, primary_key=True),
        Column("at", UtcTime, nullable=False),
        Column("actor", SafeText, nullable=False),
        Column("source", SafeText, nullable=False),
        Column("action", SafeText, nullable=False),
        Column("subject", SafeText, nullable=False),
        Column("details", sa.JSON, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "outbox",
        Column("id", BigId, primary_key=True),
        Column("incident_id", sa.BigInteger, ForeignKey("incidents.id"), nullable=False),
        Column("dedup_key", sa.Text, nullable=False),
        Column("event", sa.JSON, nullable=False),
        Column("state", sa.Text, nullable=False),
        Column("created_at", UtcTime, nullable=False),
        Column("touched_at", UtcTime, nullable=False),
        Column("due_at", UtcTime, nullable=False),
        Column("attempts", sa.Integer, nullable=False),
        Column("lease_owner", sa.Text),
        Column("lease_until", UtcTime),
        Column("finished_at", UtcTime),
        Column("note", SafeText),
        CheckConstraint("state IN ('pending', 'sent', 'parked')", name="state"),
        Index(None, "incident_id"),
        Index(
            "ix_outbox_pending",
            "dedup_key",
            "id",
            sqlite_where=text("state = 'pending'"),
            postgresql_where=text("state = 'pending'"),
        ),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "series",
        Column("id", BigId, primary_key=True),
        Column("target", sa.Text, nullable=False),
        Column("region", sa.Text, nullable=False),
        Column("kind", sa.Text, nullable=False),
        UniqueConstraint("target", "region", "kind"),
    )
    op.create_table(
        "results",
        Column("started_at", CompactTime, primary_key=True),
        Column("series_id", sa.BigInteger, ForeignKey("series.id"), primary_key=True),
        Column("duration_seconds", sa.Double, nullable=False),
        Column("late_seconds", sa.Double, nullable=False),
        Column("phases", sa.JSON, nullable=False),
        Column("reason", sa.Text),
        Column("detail", SafeText),
        Column("status_code", sa.Integer),
        Column("address", SafeText),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "minutes",
        Column("series_id", sa.BigInteger, ForeignKey("series.id"), primary_key=True),
        Column("minute", CompactTime, primary_key=True),
        Column("total", sa.Integer, nullable=False),
        Column("failed", sa.Integer, nullable=False),
        Column("slow", sa.JSON, nullable=False),
        Column("histogram", sa.JSON, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "grades",
        Column("series_id", sa.BigInteger, ForeignKey("series.id"), primary_key=True),
        Column("first_at", UtcTime, primary_key=True),
        Column("last_at", UtcTime, nullable=False),
        Column("letter", sa.Text, nullable=False),
        Column("facts", sa.JSON, nullable=False),
    )
    append_only()


def append_only() -> None:
    names = ("audit", "timeline", "runbooks")
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            """CREATE OR REPLACE FUNCTION monitor_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$"""
        )
        for name in names:
            op.execute(
                f"""CREATE TRIGGER {name}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {name}
FOR EACH STATEMENT EXECUTE FUNCTION monitor_append_only()"""
            )
        return
    for name in names:
        for verb in ("update", "delete"):
            op.execute(
                f"""CREATE TRIGGER {name}_{verb} BEFORE {verb.upper()} ON {name}
BEGIN SELECT RAISE(ABORT, '{name} is append-only'); END"""
            )
