"""Words, vocabularies, the queue of words that wait for a picture, and the pictures

A trigger counts the queue by blocks of 256 tickets, so that a place in it is the sum of some blocks.

Revision ID: 0010
Revises: 0009
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"

_COUNT = """
CREATE FUNCTION count_word_queue() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO word_queue_blocks AS counted (lane, block, waiting)
        SELECT lane, ticket >> 8 AS block, count(*) FROM new_rows GROUP BY 1, 2 ORDER BY 1, 2
        ON CONFLICT (lane, block) DO UPDATE SET waiting = counted.waiting + excluded.waiting;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO word_queue_blocks AS counted (lane, block, waiting)
        SELECT lane, ticket >> 8 AS block, -count(*) FROM old_rows GROUP BY 1, 2 ORDER BY 1, 2
        ON CONFLICT (lane, block) DO UPDATE SET waiting = counted.waiting + excluded.waiting;
        DELETE FROM word_queue_blocks AS counted USING (SELECT DISTINCT lane, ticket >> 8 AS block FROM old_rows) AS left_
        WHERE counted.lane = left_.lane AND counted.block = left_.block AND counted.waiting = 0;
    ELSE
        INSERT INTO word_queue_blocks AS counted (lane, block, waiting)
        SELECT lane, block, sum(change) FROM (
            SELECT lane, ticket >> 8 AS block, 1 AS change FROM new_rows
            UNION ALL SELECT lane, ticket >> 8, -1 FROM old_rows) AS moved
        GROUP BY 1, 2 HAVING sum(change) <> 0 ORDER BY 1, 2
        ON CONFLICT (lane, block) DO UPDATE SET waiting = counted.waiting + excluded.waiting;
        DELETE FROM word_queue_blocks AS counted USING (SELECT DISTINCT lane, ticket >> 8 AS block FROM old_rows) AS left_
        WHERE counted.lane = left_.lane AND counted.block = left_.block AND counted.waiting = 0;
    END IF;
    RETURN NULL;
END $$
"""
_TRIGGERS = tuple(
    f"CREATE TRIGGER word_queue_{name} AFTER {name} ON word_queue {tables} FOR EACH STATEMENT "
    "EXECUTE FUNCTION count_word_queue()"
    for name, tables in (
        ("insert", "REFERENCING NEW TABLE AS new_rows"),
        ("delete", "REFERENCING OLD TABLE AS old_rows"),
        ("update", "REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows"),
    )
)


def upgrade() -> None:
    op.execute("CREATE SEQUENCE word_tickets")
    op.execute("CREATE SEQUENCE word_revisions")
    op.create_table(
        "provider_requests",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("budget", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("word_key", sa.Uuid(), nullable=True),
        sa.Column("task", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_provider_requests")),
    )
    op.create_index("ix_provider_requests_budget_at", "provider_requests", ["budget", "at"], unique=False)
    op.create_table(
        "word_queue_blocks",
        sa.Column("lane", sa.SmallInteger(), nullable=False),
        sa.Column("block", sa.BigInteger(), nullable=False),
        sa.Column("waiting", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("lane", "block", name=op.f("pk_word_queue_blocks")),
    )
    op.create_table(
        "word_schedule",
        sa.Column("one", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("populated_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("one", name=op.f("ck_word_schedule_one")),
        sa.PrimaryKeyConstraint("one", name=op.f("pk_word_schedule")),
    )
    op.create_table(
        "words",
        sa.Column("key", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("translation", sa.Text(), nullable=True),
        sa.Column("rank", sa.Integer(), nullable=True),
        sa.Column("rejected", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("missed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("search_again_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("miss_code", sa.Text(), nullable=True),
        sa.Column("miss_reason", sa.Text(), nullable=True),
        sa.Column("revision", sa.BigInteger(), server_default=sa.text("nextval('word_revisions')"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_words")),
    )
    op.create_index("ix_words_created_at", "words", ["created_at"], unique=False)
    op.create_index("ix_words_id", "words", ["id"], unique=True)
    op.create_index(
        "ix_words_language_rank",
        "words",
        ["language", "rank", "key"],
        unique=False,
        postgresql_where=sa.text("rank IS NOT NULL"),
    )
    op.create_table(
        "vocabulary",
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("word_key", sa.Uuid(), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["word_key"], ["words.key"], name=op.f("fk_vocabulary_word_key"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("owner", "word_key", name=op.f("pk_vocabulary")),
    )
    op.create_index("ix_vocabulary_word_key", "vocabulary", ["word_key"], unique=False)
    op.create_table(
        "word_images",
        sa.Column("word_key", sa.Uuid(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("photo_id", sa.Text(), nullable=False),
        sa.Column("photo", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "candidates", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'[]'"), nullable=False
        ),
        sa.Column("query", sa.Text(), nullable=True),
        sa.Column("score", sa.Float(), nullable=True),
        sa.Column("named", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("downloaded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("image_id", sa.Uuid(), nullable=True),
        sa.Column("storing", sa.Text(), server_default="no", nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("found_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("storing IN ('no', 'pending', 'done', 'failed')", name=op.f("ck_word_images_storing")),
        sa.ForeignKeyConstraint(["image_id"], ["images.id"], name=op.f("fk_word_images_image_id"), ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["word_key"], ["words.key"], name=op.f("fk_word_images_word_key"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("word_key", name=op.f("pk_word_images")),
    )
    op.create_index("ix_word_images_image_id", "word_images", ["image_id"], unique=False)
    op.create_table(
        "word_queue",
        sa.Column("word_key", sa.Uuid(), nullable=False),
        sa.Column("lane", sa.SmallInteger(), nullable=False),
        sa.Column("ticket", sa.BigInteger(), server_default=sa.text("nextval('word_tickets')"), nullable=False),
        sa.Column("task", sa.Text(), server_default="search", nullable=False),
        sa.Column("step", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("photo_id", sa.Text(), nullable=True),
        sa.Column("asked_by", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), server_default="queued", nullable=False),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("fence", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=True),
        sa.Column("queued_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("status IN ('queued', 'sent', 'active')", name=op.f("ck_word_queue_status")),
        sa.CheckConstraint("task IN ('search', 'photo', 'download')", name=op.f("ck_word_queue_task")),
        sa.ForeignKeyConstraint(["word_key"], ["words.key"], name=op.f("fk_word_queue_word_key"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("word_key", name=op.f("pk_word_queue")),
        postgresql_with={"fillfactor": 70, "autovacuum_vacuum_scale_factor": 0.02},
    )
    op.create_index(
        "ix_word_queue_asked_by",
        "word_queue",
        ["asked_by"],
        unique=False,
        postgresql_where=sa.text("asked_by IS NOT NULL"),
    )
    op.create_index("ix_word_queue_lane_ticket", "word_queue", ["lane", "ticket"], unique=False)
    op.create_index(
        "ix_word_queue_next",
        "word_queue",
        ["lane", "ticket"],
        unique=False,
        postgresql_where=sa.text("status = 'queued'"),
    )
    for statement in (_COUNT, *_TRIGGERS):
        op.execute(sa.text(statement))
    op.execute("INSERT INTO word_schedule DEFAULT VALUES")


def downgrade() -> None:
    op.drop_index("ix_word_queue_next", table_name="word_queue", postgresql_where=sa.text("status = 'queued'"))
    op.drop_index("ix_word_queue_lane_ticket", table_name="word_queue")
    op.drop_index("ix_word_queue_asked_by", table_name="word_queue", postgresql_where=sa.text("asked_by IS NOT NULL"))
    op.drop_table("word_queue")
    op.execute("DROP FUNCTION count_word_queue()")
    op.drop_index("ix_word_images_image_id", table_name="word_images")
    op.drop_table("word_images")
    op.drop_index("ix_vocabulary_word_key", table_name="vocabulary")
    op.drop_table("vocabulary")
    op.drop_index("ix_words_language_rank", table_name="words", postgresql_where=sa.text("rank IS NOT NULL"))
    op.drop_index("ix_words_id", table_name="words")
    op.drop_index("ix_words_created_at", table_name="words")
    op.drop_table("words")
    op.drop_table("word_schedule")
    op.drop_table("word_queue_blocks")
    op.drop_index("ix_provider_requests_budget_at", table_name="provider_requests")
    op.drop_table("provider_requests")
    op.execute("DROP SEQUENCE word_revisions")
    op.execute("DROP SEQUENCE word_tickets")
