"""Analyses

Revision ID: 0008
Revises: 0007
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "analysis_budgets",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("tokens", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("day", "scope", name=op.f("pk_analysis_budgets")),
    )
    op.create_table(
        "analysis_calls",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("analysis_id", sa.Uuid(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("profile", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("pixel_hash", sa.Text(), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("charged", sa.BigInteger(), nullable=False),
        sa.Column("input_tokens", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("output_tokens", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("cost_micros", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("outcome IN ('answered', 'failed', 'unknown')", name=op.f("ck_analysis_calls_outcome")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_analysis_calls")),
    )
    op.create_index("ix_analysis_calls_analysis_id", "analysis_calls", ["analysis_id"], unique=False)
    op.create_index("ix_analysis_calls_began_at", "analysis_calls", ["began_at"], unique=False)
    op.create_table(
        "analysis_results",
        sa.Column("pixel_hash", sa.Text(), nullable=False),
        sa.Column("profile", sa.Text(), nullable=False),
        sa.Column("profile_version", sa.Integer(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("holder", sa.Uuid(), nullable=True),
        sa.Column("leased_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("answers", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("result", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("error_code", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint(
            "pixel_hash", "profile", "profile_version", "model", "detail", name=op.f("pk_analysis_results")
        ),
    )
    op.create_index("ix_analysis_results_answered_at", "analysis_results", ["answered_at"], unique=False)
    op.create_table(
        "analysis_usage",
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("profile", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("calls", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("cache_hits", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("unpriced", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("input_tokens", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("output_tokens", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("cost_micros", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("owner", "day", "profile", "model", name=op.f("pk_analysis_usage")),
    )
    op.create_index("ix_analysis_usage_day", "analysis_usage", ["day"], unique=False)
    op.create_table(
        "analyzer_state",
        sa.Column("id", sa.SmallInteger(), server_default="1", nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("configured_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.CheckConstraint("id = 1", name=op.f("ck_analyzer_state_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_analyzer_state")),
    )
    op.create_table(
        "analyses",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("image_id", sa.Uuid(), nullable=False),
        sa.Column("profile", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), server_default="queued", nullable=False),
        sa.Column("urgent", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("ready_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=True),
        sa.Column("waiting_reason", sa.Text(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("fence", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("result", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("source", sa.Text(), nullable=True),
        sa.Column("model", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("profile_version", sa.Integer(), nullable=True),
        sa.Column("calls", sa.Integer(), server_default="0", nullable=False),
        sa.Column("input_tokens", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("output_tokens", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("cost_micros", sa.BigInteger(), server_default="0", nullable=True),
        sa.Column("error_code", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("source IN ('api', 'cache')", name=op.f("ck_analyses_source")),
        sa.CheckConstraint("status IN ('queued', 'running', 'completed', 'failed')", name=op.f("ck_analyses_status")),
        sa.ForeignKeyConstraint(["image_id"], ["images.id"], name=op.f("fk_analyses_image_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_analyses")),
    )
    op.create_index(
        "ix_analyses_urgent",
        "analyses",
        ["owner"],
        unique=False,
        postgresql_where=sa.text("urgent AND status IN ('queued', 'running')"),
    )
    op.create_index("ix_analyses_owner_id", "analyses", ["owner", "id"], unique=False)
    op.create_index(
        "ix_analyses_queued", "analyses", ["requested_at"], unique=False, postgresql_where=sa.text("status = 'queued'")
    )
    op.create_index(
        "ix_analyses_to_send",
        "analyses",
        ["owner", sa.literal_column("urgent DESC"), "id"],
        unique=False,
        postgresql_where=sa.text("status = 'queued' AND ready_at IS NOT NULL AND sent_at IS NULL"),
    )
    op.create_index(
        "ix_analyses_under_way",
        "analyses",
        ["owner"],
        unique=False,
        postgresql_where=sa.text("status IN ('queued', 'running') AND sent_at IS NOT NULL"),
    )
    op.create_index(
        "ix_analyses_unshown",
        "analyses",
        ["requested_at"],
        unique=False,
        postgresql_where=sa.text("status = 'queued' AND ready_at IS NULL"),
    )
    op.create_index("uq_analyses_image_id_profile", "analyses", ["image_id", "profile"], unique=True)
    op.create_table(
        "food_entries",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("analysis_id", sa.Uuid(), nullable=True),
        sa.Column("entry", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["analysis_id"], ["analyses.id"], name=op.f("fk_food_entries_analysis_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_food_entries")),
    )
    op.create_index("ix_food_entries_analysis_id", "food_entries", ["analysis_id"], unique=False)
    op.create_index("ix_food_entries_owner_id", "food_entries", ["owner", "id"], unique=False)
    op.create_index(
        "ix_food_entries_undelivered",
        "food_entries",
        ["id"],
        unique=False,
        postgresql_where=sa.text("delivered_at IS NULL"),
    )
    # What older versions noted on the image; analyzers have its rendition made.
    op.execute("""
        INSERT INTO analyses (id, owner, image_id, profile)
        SELECT gen_random_uuid(), owner, id, analysis_profile FROM images
        WHERE analysis_status = 'pending' AND analysis_profile IS NOT NULL AND deleted_at IS NULL
    """)


def downgrade() -> None:
    op.drop_index(
        "ix_food_entries_undelivered", table_name="food_entries", postgresql_where=sa.text("delivered_at IS NULL")
    )
    op.drop_index("ix_food_entries_owner_id", table_name="food_entries")
    op.drop_index("ix_food_entries_analysis_id", table_name="food_entries")
    op.drop_table("food_entries")
    op.drop_index("uq_analyses_image_id_profile", table_name="analyses")
    op.drop_index(
        "ix_analyses_unshown",
        table_name="analyses",
        postgresql_where=sa.text("status = 'queued' AND ready_at IS NULL"),
    )
    op.drop_index(
        "ix_analyses_under_way",
        table_name="analyses",
        postgresql_where=sa.text("status IN ('queued', 'running') AND sent_at IS NOT NULL"),
    )
    op.drop_index(
        "ix_analyses_to_send",
        table_name="analyses",
        postgresql_where=sa.text("status = 'queued' AND ready_at IS NOT NULL AND sent_at IS NULL"),
    )
    op.drop_index("ix_analyses_queued", table_name="analyses", postgresql_where=sa.text("status = 'queued'"))
    op.drop_index("ix_analyses_owner_id", table_name="analyses")
    op.drop_index(
        "ix_analyses_urgent",
        table_name="analyses",
        postgresql_where=sa.text("urgent AND status IN ('queued', 'running')"),
    )
    op.drop_table("analyses")
    op.drop_table("analyzer_state")
    op.drop_index("ix_analysis_usage_day", table_name="analysis_usage")
    op.drop_table("analysis_usage")
    op.drop_index("ix_analysis_results_answered_at", table_name="analysis_results")
    op.drop_table("analysis_results")
    op.drop_index("ix_analysis_calls_began_at", table_name="analysis_calls")
    op.drop_index("ix_analysis_calls_analysis_id", table_name="analysis_calls")
    op.drop_table("analysis_calls")
    op.drop_table("analysis_budgets")
