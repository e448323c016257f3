"""What analyses tell of images, and the words that images are searched by

Triggers write the words, so that images which the previous version of the services takes in have theirs too; images that
are older get them from ``db.search.fill``.

Revision ID: 0009
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"

# Words are runs of letters or of digits, in lower case, without accents: "IMG_1234-Été.jpg" is img, 1234, ete, jpg. What is
# no letter is listed, because what PostgreSQL takes for one depends on the locale of the database. U+0001 is a word of its
# own: it stands between texts, so that no phrase goes on from one to the next. 1,000 words of 64 characters: a bound.
_TOKENS = r"""
CREATE FUNCTION search_tokens(content text) RETURNS SETOF text LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 20 AS $$
SELECT left(token[1], 64) FROM regexp_matches(
    replace(replace(replace(translate(
        regexp_replace(lower(normalize(content, NFKD)),
            '[\u0300-\u036f\u0591-\u05bd\u05bf-\u05c7\u064b-\u065f\u0670]+', '', 'g'),
        'øłđı', 'oldi'), 'ß', 'ss'), 'æ', 'ae'), 'œ', 'oe'),
    '\x01|[0-9]+|[^\x01-\x40\x5b-\x60\x7b-\u00bf\u00d7\u00f7\u02c2-\u02df\u05be\u060c\u061b\u061f\u0964\u0965'
    '\u2000-\u2bff\u3000-\u3004\u3008-\u3020\u3030\u303d-\u303f\ud7ff-\uf8ff\ufe00-\ufe6f\ufeff\ufff0-\uffff'
    '\U0001f000-\U0001ffff\U000e0000-\U0010ffff]+', 'g') AS token
LIMIT 1000
$$
"""
_DOCUMENT = r"""
CREATE FUNCTION search_document(name text, caption text, alt_text text, tags text[]) RETURNS tsvector
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
SELECT coalesce(string_agg('''' || word || ''':' || place, ' ') FILTER (WHERE word <> E'\x01'), '')::tsvector
FROM search_tokens(concat_ws(E'\x01', name, array_to_string(tags, E'\x01'), caption, alt_text))
    WITH ORDINALITY AS tokens (word, place)
$$
"""
_KEEP = """
CREATE FUNCTION keep_image_words() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    old_words text[] := '{}';
    new_words text[] := '{}';
    document tsvector;
BEGIN
    IF TG_OP <> 'INSERT' AND OLD.deleted_at IS NULL THEN
        old_words := tsvector_to_array(search_document(OLD.name, OLD.caption, OLD.alt_text, OLD.tags));
    END IF;
    IF TG_OP <> 'DELETE' AND NEW.deleted_at IS NULL THEN
        document := search_document(NEW.name, NEW.caption, NEW.alt_text, NEW.tags);
        new_words := tsvector_to_array(document);
        INSERT INTO image_documents (image_id, words) VALUES (NEW.id, document)
            ON CONFLICT (image_id) DO UPDATE SET words = excluded.words;
        INSERT INTO image_words (owner, word, image_id) SELECT NEW.owner, unnest(new_words), NEW.id
            ON CONFLICT DO NOTHING;
    ELSIF TG_OP <> 'INSERT' THEN
        DELETE FROM image_documents WHERE image_id = OLD.id;
    END IF;
    IF TG_OP <> 'INSERT' THEN
        DELETE FROM image_words
            WHERE owner = OLD.owner AND image_id = OLD.id AND word = ANY (old_words) AND word <> ALL (new_words);
    END IF;
    RETURN NULL;
END $$
"""
_COMES_OR_GOES = """
CREATE TRIGGER image_words_made AFTER INSERT OR DELETE ON images FOR EACH ROW EXECUTE FUNCTION keep_image_words()
"""
_CHANGES = """
CREATE TRIGGER image_words_changed AFTER UPDATE OF name, caption, alt_text, tags, deleted_at ON images FOR EACH ROW
WHEN ((OLD.name, OLD.caption, OLD.alt_text, OLD.tags, OLD.deleted_at) IS DISTINCT FROM
    (NEW.name, NEW.caption, NEW.alt_text, NEW.tags, NEW.deleted_at))
EXECUTE FUNCTION keep_image_words()
"""
_START = """
INSERT INTO search_fill (before, finished_at)
SELECT 'ffffffff-ffff-ffff-ffff-ffffffffffff', CASE WHEN NOT EXISTS (SELECT FROM images) THEN now() END
"""


def upgrade() -> None:
    op.create_table(
        "image_documents",
        sa.Column("image_id", sa.Uuid(), nullable=False),
        sa.Column("words", postgresql.TSVECTOR(), nullable=False),
        sa.ForeignKeyConstraint(
            ["image_id"], ["images.id"], name=op.f("fk_image_documents_image_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("image_id", name=op.f("pk_image_documents")),
    )
    op.create_table(
        "image_words",
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("word", sa.Text(collation="C"), nullable=False),
        sa.Column("image_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("owner", "word", "image_id", name=op.f("pk_image_words")),
    )
    op.create_table(
        "search_fill",
        sa.Column("one", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("before", sa.Uuid(), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("one", name=op.f("ck_search_fill_one")),
        sa.PrimaryKeyConstraint("one", name=op.f("pk_search_fill")),
    )
    op.execute(sa.text(_TOKENS.replace(":", r"\:")))
    op.execute(sa.text(_DOCUMENT.replace(":", r"\:")))
    op.add_column("images", sa.Column("caption", sa.Text(), nullable=True))
    op.add_column("images", sa.Column("alt_text", sa.Text(), nullable=True))
    op.add_column("images", sa.Column("tags", sa.ARRAY(sa.Text()), nullable=True))
    for statement in (_KEEP, _COMES_OR_GOES, _CHANGES, _START):
        op.execute(sa.text(statement.replace(":", r"\:")))


def downgrade() -> None:
    op.execute("DROP TRIGGER image_words_changed ON images")
    op.execute("DROP TRIGGER image_words_made ON images")
    op.execute("DROP FUNCTION keep_image_words()")
    op.execute("DROP FUNCTION search_document(text, text, text, text[])")
    op.execute("DROP FUNCTION search_tokens(text)")
    for column in ("tags", "alt_text", "caption"):
        op.drop_column("images", column)
    for table in ("search_fill", "image_words", "image_documents"):
        op.drop_table(table)
