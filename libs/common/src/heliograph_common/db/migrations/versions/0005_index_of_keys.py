"""An index on the keys of renditions, in the order in which object stores list them, with what checks read. The column keeps
its collation: changing it would break the prepared statements of services that run.

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op

from heliograph_common.db.migrations.indexes import concurrent_index

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    concurrent_index("ix_renditions_key", "renditions", [sa.text('key COLLATE "C"')], postgresql_include=["bytes"])


def downgrade() -> None:
    op.drop_index("ix_renditions_key", table_name="renditions", postgresql_include=["bytes"])
