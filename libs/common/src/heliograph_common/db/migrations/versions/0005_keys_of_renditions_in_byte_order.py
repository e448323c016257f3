"""Keys of renditions in the order in which object stores list them, whatever the database's collation: that of their bytes.
No row is rewritten.

Revision ID: 0005
Revises: 0004
"""

from alembic import op

revision = "0005"
down_revision = "0004"


_REPLACED = """
CREATE TRIGGER rendition_replaced AFTER UPDATE OF key ON renditions
    FOR EACH ROW WHEN (OLD.key IS DISTINCT FROM NEW.key) EXECUTE FUNCTION note_replaced_rendition()
"""  # as 0002 has it: a column cannot change while a trigger names it


def upgrade() -> None:
    _collate("C")


def downgrade() -> None:
    _collate("default")


def _collate(collation: str) -> None:
    op.execute("DROP TRIGGER rendition_replaced ON renditions")
    op.execute(f'ALTER TABLE renditions ALTER COLUMN key TYPE text COLLATE "{collation}"')
    op.execute(_REPLACED)
