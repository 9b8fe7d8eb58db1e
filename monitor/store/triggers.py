"""Rows that are written once: the databases themselves refuse to change or remove them."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import DDL, event

from monitor.store.tables import audit, runbooks, timeline

APPEND_ONLY = (audit, timeline, runbooks)

_SQLITE = """CREATE TRIGGER {table}_{verb} BEFORE {VERB} ON {table}
BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"""

_POSTGRES_FUNCTION = """CREATE OR REPLACE FUNCTION monitor_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$"""

_POSTGRES = """CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
FOR EACH STATEMENT EXECUTE FUNCTION monitor_append_only()"""


def statements(dialect: str) -> list[str]:
    names = [table.name for table in APPEND_ONLY]
    if dialect == "postgresql":
        return [_POSTGRES_FUNCTION, *(_POSTGRES.format(table=name) for name in names)]
    return [_SQLITE.format(table=name, verb=verb, VERB=verb.upper()) for name in names for verb in ("update", "delete")]


def attach(metadata: sa.MetaData) -> None:
    """Make `metadata.create_all` create the triggers, too."""
    for dialect in ("sqlite", "postgresql"):
        for statement in statements(dialect):
            ddl = DDL(statement.replace("%", "%%"))  # type: ignore[no-untyped-call]
            event.listen(metadata, "after_create", ddl.execute_if(dialect=dialect))
