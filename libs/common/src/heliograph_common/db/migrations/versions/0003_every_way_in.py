"""Every way in: direct and resumable uploads, rate limits, what was asked for each image

Revision ID: 0003
Revises: 0002
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("images", sa.Column("requested_priority", sa.Text(), nullable=True))
    op.add_column("images", sa.Column("analysis_profile", sa.Text(), nullable=True))
    op.add_column("images", sa.Column("analysis_queued_at", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "direct_uploads",
        *_of_every_upload(),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=True),
        sa.CheckConstraint("state IN ('open', 'complete', 'refused')", name=op.f("ck_direct_uploads_state")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_direct_uploads")),
    )
    op.create_index("ix_direct_uploads_expires_at", "direct_uploads", ["expires_at"], unique=False)
    op.create_table(
        "tus_uploads",
        *_of_every_upload(),
        sa.Column("metadata", sa.Text(), nullable=False),
        sa.Column("length", sa.BigInteger(), nullable=True),
        sa.Column("position", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("partial", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("concatenates", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.CheckConstraint("state IN ('open', 'complete', 'refused')", name=op.f("ck_tus_uploads_state")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tus_uploads")),
    )
    op.create_index("ix_tus_uploads_expires_at", "tus_uploads", ["expires_at"], unique=False)
    op.create_table(
        "tus_parts",
        sa.Column("upload_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["upload_id"], ["tus_uploads.id"], name=op.f("fk_tus_parts_upload_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("upload_id", "position", name=op.f("pk_tus_parts")),
    )
    op.create_table(
        "rate_limits",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("full_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_rate_limits")),
        prefixes=["UNLOGGED"],  # what a crash forgets is at most one burst
        postgresql_with={"fillfactor": 50},  # each request updates a row: the new version fits the same page
    )


def _of_every_upload() -> list[sa.Column[Any]]:
    return [
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("priority", sa.Text(), nullable=False),
        sa.Column("analysis_profile", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), server_default="open", nullable=False),
        sa.Column("problem", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("image_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
    ]


def downgrade() -> None:
    op.drop_table("rate_limits")
    op.drop_table("tus_parts")
    op.drop_table("tus_uploads")
    op.drop_table("direct_uploads")
    op.drop_column("images", "analysis_queued_at")
    op.drop_column("images", "analysis_profile")
    op.drop_column("images", "requested_priority")
