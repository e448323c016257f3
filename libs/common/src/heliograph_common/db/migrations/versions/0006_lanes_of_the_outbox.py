"""Lanes of the outbox: their indexes

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

from heliograph_common.db.migrations.indexes import concurrent_index

revision = "0006"
down_revision = "0005"

_WAITING = sa.text("quarantined_at IS NULL")
_ASIDE = sa.text("quarantined_at IS NOT NULL")


def upgrade() -> None:
    concurrent_index("ix_outbox_lane_id", "outbox", ["lane", "id"], postgresql_where=_WAITING)
    concurrent_index("ix_outbox_quarantined", "outbox", ["id"], postgresql_where=_ASIDE)


def downgrade() -> None:
    op.drop_index("ix_outbox_quarantined", table_name="outbox", postgresql_where=_ASIDE)
    op.drop_index("ix_outbox_lane_id", table_name="outbox", postgresql_where=_WAITING)
