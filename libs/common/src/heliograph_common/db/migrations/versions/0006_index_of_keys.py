"""An index on the keys of renditions, with what checks read: they compare them with a listing of the objects

Revision ID: 0006
Revises: 0005
"""

from alembic import op

from heliograph_common.db.migrations.indexes import concurrent_index

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    concurrent_index("ix_renditions_key", "renditions", ["key"], postgresql_include=["bytes"])


def downgrade() -> None:
    op.drop_index("ix_renditions_key", table_name="renditions", postgresql_include=["bytes"])
