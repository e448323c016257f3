"""An index on the keys of renditions, with what checks read: they compare them with a listing of the objects

Revision ID: 0006
Revises: 0005
"""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_index("ix_renditions_key", "renditions", ["key"], unique=False, postgresql_include=["bytes"])


def downgrade() -> None:
    op.drop_index("ix_renditions_key", table_name="renditions", postgresql_include=["bytes"])
