"""Alembic runs this; the connection, its transaction and its lock belong to `monitor.store.migrate`."""

from __future__ import annotations

from alembic import context

from monitor.store.migrate import VERSION_TABLE
from monitor.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
)
with context.begin_transaction():
    context.run_migrations()
