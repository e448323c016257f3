"""Work is a row; revisions of images; incarnations of objects, intents and garbage; quarantine and lanes of the outbox

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"

# Services of the version before know nothing of revisions, and must raise them all the same. By two, because one change may
# be told by two events, and each has a revision of its own.
_RAISE_REVISION = """
CREATE FUNCTION raise_image_revision() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.revision := OLD.revision + 2;
    RETURN NEW;
END $$;
CREATE TRIGGER image_revision BEFORE UPDATE ON images FOR EACH ROW EXECUTE FUNCTION raise_image_revision();
"""

# A collector of the version before deletes under a tombstone; who comes after it must use another key.
_RETIRE_BY_TOMBSTONE = """
CREATE FUNCTION retire_original() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO retired_keys (key, incarnation) VALUES ('originals/' || NEW.sha256, 1) ON CONFLICT (key) DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER tombstone_made AFTER INSERT OR UPDATE ON blob_tombstones
    FOR EACH ROW EXECUTE FUNCTION retire_original();
"""

_ADOPT = """
INSERT INTO work (kind, target, owner, subject, message_type, message_version, message_data, command_id, check_at)
SELECT 'render', id, owner, 'work.render.' || priority, 'render.image', 1, jsonb_build_object('image_id', id),
       gen_random_uuid(), now() + interval '5 minutes'
FROM images WHERE deleted_at IS NULL AND processing_status IN ('pending', 'processing')
ON CONFLICT DO NOTHING
"""


def upgrade() -> None:
    op.execute(sa.schema.CreateSequence(sa.Sequence("work_fences", start=1_000_000)))
    op.create_table(
        "work",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("target", sa.Uuid(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("message_type", sa.Text(), nullable=False),
        sa.Column("message_version", sa.SmallInteger(), nullable=False),
        sa.Column("message_data", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("command_id", sa.Uuid(), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("published_seq", sa.BigInteger(), nullable=True),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("fence", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("leased_by", sa.Text(), nullable=True),
        sa.Column("lease_message", sa.Uuid(), nullable=True),
        sa.Column("leased_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("not_before", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("check_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("again", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("kind", "target", name=op.f("pk_work")),
        postgresql_with={"autovacuum_vacuum_scale_factor": 0.01, "autovacuum_vacuum_cost_delay": 0},
    )
    op.create_index("ix_work_check_at", "work", ["check_at"], unique=False)
    op.create_index("ix_work_subject_sent_at", "work", ["subject", "sent_at"], unique=False)
    op.create_index("uq_work_command_id", "work", ["command_id"], unique=True)
    op.create_table(
        "retired_keys",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("incarnation", sa.Integer(), nullable=False),
        sa.Column("retired_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_retired_keys")),
    )
    op.create_table(
        "blob_intents",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("incarnation", sa.Integer(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_blob_intents")),
    )
    op.create_index("ix_blob_intents_made_at", "blob_intents", ["made_at"], unique=False)
    op.create_table(
        "blob_garbage",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_blob_garbage")),
    )
    op.create_index("ix_blob_garbage_due_at", "blob_garbage", ["due_at"], unique=False)
    op.create_table(
        "consistency_checks",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), server_default="running", nullable=False),
        sa.Column("repair", sa.Boolean(), nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("position", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("counts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("samples", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("moved_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('running', 'complete', 'failed', 'cancelled')", name=op.f("ck_consistency_checks_state")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consistency_checks")),
    )
    op.create_index(
        "uq_consistency_checks_running",
        "consistency_checks",
        ["state"],
        unique=True,
        postgresql_where=sa.text("state = 'running'"),
    )
    op.execute(_ADOPT)  # before the tables that everyone uses are locked
    op.add_column("images", sa.Column("revision", sa.BigInteger(), server_default="1", nullable=False))
    op.add_column("images", sa.Column("incarnation", sa.Integer(), server_default="0", nullable=False))
    op.add_column(
        "display_sizes",
        sa.Column("changed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
    )
    op.add_column("outbox", sa.Column("quarantined_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("outbox", sa.Column("quarantine_reason", sa.Text(), nullable=True))
    op.add_column(
        "outbox",
        sa.Column("lane", sa.Text(), sa.Computed("split_part(subject, '.', 1)", persisted=True), nullable=False),
    )
    op.execute(_RAISE_REVISION)
    op.execute(_RETIRE_BY_TOMBSTONE)


def downgrade() -> None:
    op.execute("DROP TRIGGER tombstone_made ON blob_tombstones")
    op.execute("DROP FUNCTION retire_original")
    op.execute("DROP TRIGGER image_revision ON images")
    op.execute("DROP FUNCTION raise_image_revision")
    for table, column in (
        ("outbox", "lane"),
        ("outbox", "quarantine_reason"),
        ("outbox", "quarantined_at"),
        ("display_sizes", "changed_at"),
        ("images", "incarnation"),
        ("images", "revision"),
    ):
        op.drop_column(table, column)
    for table in ("consistency_checks", "blob_garbage", "blob_intents", "retired_keys", "work"):
        op.drop_table(table)
    op.execute(sa.schema.DropSequence(sa.Sequence("work_fences")))
