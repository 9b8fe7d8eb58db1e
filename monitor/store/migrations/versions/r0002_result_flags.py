"""How a raw result was made; answers that are suspect, apart from those that are slow; an index of parked pages.

Revision ID: 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Column, text

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # A constant default: neither database writes the rows anew, and there may be millions.
    op.add_column("results", Column("flags", sa.SmallInteger, nullable=False, server_default=text("0")))
    op.add_column("minutes", Column("suspect", sa.JSON, nullable=False, server_default=text("'{}'")))
    where = text("state = 'parked'")
    op.create_index("ix_outbox_parked", "outbox", ["id"], sqlite_where=where, postgresql_where=where)
