"""The spine

Revision ID: 0001
Revises:
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "display_sizes",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("fit", sa.Text(), nullable=False),
        sa.Column("format", sa.Text(), nullable=False),
        sa.Column("quality", sa.SmallInteger(), nullable=False),
        sa.Column("position", sa.SmallInteger(), nullable=False),
        sa.CheckConstraint("fit IN ('cover', 'contain')", name=op.f("ck_display_sizes_fit")),
        sa.CheckConstraint("format IN ('jpeg', 'webp')", name=op.f("ck_display_sizes_format")),
        sa.CheckConstraint("kind IN ('thumbnail', 'variant')", name=op.f("ck_display_sizes_kind")),
        sa.CheckConstraint("quality BETWEEN 1 AND 100", name=op.f("ck_display_sizes_quality")),
        sa.CheckConstraint(
            "width BETWEEN 1 AND 16384 AND height BETWEEN 1 AND 16384", name=op.f("ck_display_sizes_pixels")
        ),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_display_sizes")),
    )
    op.create_table(
        "images",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("source_ref", sa.Text(), nullable=True),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("mime_type", sa.Text(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("frames", sa.Integer(), server_default="1", nullable=False),
        sa.Column("priority", sa.Text(), server_default="normal", nullable=False),
        sa.Column("exif", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("thumbhash", sa.Text(), nullable=True),
        sa.Column("dominant_color", sa.Text(), nullable=True),
        sa.Column("phash", sa.BigInteger(), nullable=True),
        sa.Column("pixel_hash", sa.Text(), nullable=True),
        sa.Column("processing_status", sa.Text(), server_default="pending", nullable=False),
        sa.Column("thumbnail_status", sa.Text(), server_default="pending", nullable=False),
        sa.Column("variant_status", sa.Text(), server_default="pending", nullable=False),
        sa.Column("analysis_status", sa.Text(), nullable=True),
        sa.Column("processing_error", sa.Text(), nullable=True),
        sa.Column("processing_retryable", sa.Boolean(), nullable=True),
        sa.Column("processing_attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("last_processing_attempt", sa.DateTime(timezone=True), nullable=True),
        sa.Column("processing_completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("render_fence", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "analysis_status IN ('pending', 'processing', 'complete', 'failed')", name=op.f("ck_images_analysis_status")
        ),
        sa.CheckConstraint("priority IN ('high', 'normal', 'low')", name=op.f("ck_images_priority")),
        sa.CheckConstraint(
            "processing_status IN ('pending', 'processing', 'complete', 'failed')",
            name=op.f("ck_images_processing_status"),
        ),
        sa.CheckConstraint(
            "thumbnail_status IN ('pending', 'processing', 'complete', 'failed')",
            name=op.f("ck_images_thumbnail_status"),
        ),
        sa.CheckConstraint(
            "variant_status IN ('pending', 'processing', 'complete', 'failed')", name=op.f("ck_images_variant_status")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_images")),
    )
    op.create_index(
        "ix_images_completed",
        "images",
        ["processing_completed_at"],
        unique=False,
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_index(
        "ix_images_failed",
        "images",
        ["updated_at"],
        unique=False,
        postgresql_where=sa.text("deleted_at IS NULL AND processing_status = 'failed'"),
    )
    op.create_index(
        "ix_images_deleted_at",
        "images",
        ["deleted_at"],
        unique=False,
        postgresql_where=sa.text("deleted_at IS NOT NULL"),
    )
    op.create_index(
        "ix_images_owner_id", "images", ["owner", "id"], unique=False, postgresql_where=sa.text("deleted_at IS NULL")
    )
    op.create_index(
        "ix_images_owner_processing_status_id",
        "images",
        ["owner", "processing_status", "id"],
        unique=False,
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_index(
        "ix_images_owner_source_id",
        "images",
        ["owner", "source", "id"],
        unique=False,
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_index("ix_images_sha256", "images", ["sha256"], unique=False)
    op.create_index(
        "ix_images_unfinished",
        "images",
        ["updated_at"],
        unique=False,
        postgresql_where=sa.text("deleted_at IS NULL AND processing_status IN ('pending', 'processing')"),
    )
    op.create_index(
        "uq_images_owner_sha256",
        "images",
        ["owner", "sha256"],
        unique=True,
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_table(
        "inbox",
        sa.Column("consumer", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("processed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("consumer", "message_id", name=op.f("pk_inbox")),
    )
    op.create_index("ix_inbox_processed_at", "inbox", ["processed_at"], unique=False)
    op.create_table(
        "outbox",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("headers", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("claimed_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deliveries", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        postgresql_with={"autovacuum_vacuum_scale_factor": 0.01, "autovacuum_vacuum_cost_delay": 0},
    )
    op.create_index("ix_outbox_subject_id", "outbox", ["subject", "id"], unique=False)
    op.create_table(
        "renditions",
        sa.Column("image_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("format", sa.Text(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("limited", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("kind IN ('thumbnail', 'variant')", name=op.f("ck_renditions_kind")),
        sa.ForeignKeyConstraint(["image_id"], ["images.id"], name=op.f("fk_renditions_image_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("image_id", "name", name=op.f("pk_renditions")),
    )


def downgrade() -> None:
    op.drop_table("renditions")
    op.drop_index("ix_outbox_subject_id", table_name="outbox")
    op.drop_table("outbox")
    op.drop_index("ix_inbox_processed_at", table_name="inbox")
    op.drop_table("inbox")
    op.drop_index("uq_images_owner_sha256", table_name="images", postgresql_where=sa.text("deleted_at IS NULL"))
    op.drop_index(
        "ix_images_unfinished",
        table_name="images",
        postgresql_where=sa.text("deleted_at IS NULL AND processing_status IN ('pending', 'processing')"),
    )
    op.drop_index("ix_images_sha256", table_name="images")
    op.drop_index("ix_images_owner_source_id", table_name="images", postgresql_where=sa.text("deleted_at IS NULL"))
    op.drop_index(
        "ix_images_owner_processing_status_id", table_name="images", postgresql_where=sa.text("deleted_at IS NULL")
    )
    op.drop_index("ix_images_owner_id", table_name="images", postgresql_where=sa.text("deleted_at IS NULL"))
    op.drop_index("ix_images_deleted_at", table_name="images", postgresql_where=sa.text("deleted_at IS NOT NULL"))
    op.drop_table("images")
    op.drop_table("display_sizes")
