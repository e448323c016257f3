"""The whole API: idempotency keys, collection of blobs, look-up by perceptual hash, runs over display sizes

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from heliograph_common.db.migrations.indexes import concurrent_index

revision = "0002"
down_revision = "0001"

_BANDS = ("(phash & 4194303)", "((phash >> 22) & 2097151)", "((phash >> 43) & 2097151)")
_HASHED = sa.text("deleted_at IS NULL AND phash IS NOT NULL")

# The services that write renditions need not know of the collection.
_NOTE_REPLACED = """
CREATE FUNCTION note_replaced_rendition() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO replaced_renditions (key, sha256) VALUES (OLD.key, split_part(OLD.key, '/', 2))
    ON CONFLICT (key) DO UPDATE SET replaced_at = now();
    RETURN NULL;
END $$;
CREATE TRIGGER rendition_replaced AFTER UPDATE OF key ON renditions
    FOR EACH ROW WHEN (OLD.key IS DISTINCT FROM NEW.key) EXECUTE FUNCTION note_replaced_rendition();
CREATE TRIGGER rendition_deleted AFTER DELETE ON renditions
    FOR EACH ROW EXECUTE FUNCTION note_replaced_rendition();
"""


def upgrade() -> None:
    for band, expression in enumerate(_BANDS):
        concurrent_index(
            f"ix_images_near_{band}",
            "images",
            ["owner", sa.text(expression)],
            postgresql_where=_HASHED,
            postgresql_include=["phash", "id"],
        )
    op.create_table(
        "idempotency_keys",
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("route", sa.Text(), nullable=False),
        sa.Column("claim", sa.Uuid(), nullable=False),
        sa.Column("claimed_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=True),
        sa.Column("body_bytes", sa.BigInteger(), nullable=True),
        sa.Column("status", sa.SmallInteger(), nullable=True),
        sa.Column("headers", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("owner", "key", name=op.f("pk_idempotency_keys")),
    )
    op.create_index("ix_idempotency_keys_created_at", "idempotency_keys", ["created_at"], unique=False)
    op.create_table(
        "blob_tombstones",
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_blob_tombstones")),
    )
    op.create_table(
        "replaced_renditions",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("replaced_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_replaced_renditions")),
    )
    op.create_index("ix_replaced_renditions_replaced_at", "replaced_renditions", ["replaced_at"], unique=False)
    op.create_index("ix_replaced_renditions_sha256", "replaced_renditions", ["sha256"], unique=False)
    op.execute(_NOTE_REPLACED)
    op.create_table(
        "display_size_runs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), server_default="running", nullable=False),
        sa.Column("position", sa.Uuid(), nullable=True),
        sa.Column("last", sa.Uuid(), nullable=True),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("seen", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("queued", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('running', 'complete', 'superseded')", name=op.f("ck_display_size_runs_state")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_display_size_runs")),
    )
    op.create_index(
        "uq_display_size_runs_running",
        "display_size_runs",
        ["state"],
        unique=True,
        postgresql_where=sa.text("state = 'running'"),
    )
    op.create_table(
        "display_size_commands",
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("image_id", sa.Uuid(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"], ["display_size_runs.id"], name=op.f("fk_display_size_commands_run_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("message_id", name=op.f("pk_display_size_commands")),
    )
    op.create_index("ix_display_size_commands_run_id", "display_size_commands", ["run_id"], unique=False)


def downgrade() -> None:
    for band in range(len(_BANDS)):
        op.drop_index(f"ix_images_near_{band}", table_name="images", postgresql_where=_HASHED)
    op.drop_index("ix_display_size_commands_run_id", table_name="display_size_commands")
    op.drop_table("display_size_commands")
    op.drop_index(
        "uq_display_size_runs_running", table_name="display_size_runs", postgresql_where=sa.text("state = 'running'")
    )
    op.drop_table("display_size_runs")
    op.execute("DROP TRIGGER rendition_deleted ON renditions")
    op.execute("DROP TRIGGER rendition_replaced ON renditions")
    op.execute("DROP FUNCTION note_replaced_rendition")
    op.drop_index("ix_replaced_renditions_sha256", table_name="replaced_renditions")
    op.drop_index("ix_replaced_renditions_replaced_at", table_name="replaced_renditions")
    op.drop_table("replaced_renditions")
    op.drop_table("blob_tombstones")
    op.drop_index("ix_idempotency_keys_created_at", table_name="idempotency_keys")
    op.drop_table("idempotency_keys")
