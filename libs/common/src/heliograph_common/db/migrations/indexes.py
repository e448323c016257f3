"""Indexes on tables that have rows. A test fails for scripts that use ``op.create_index`` instead."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from alembic import op
from sqlalchemy import TextClause, text

from heliograph_common.db.migrations.limits import LOCK_TIMEOUT

_VALID = text("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(:name)")


def concurrent_index(
    name: str, table: str, columns: Sequence[str | TextClause], *, unique: bool = False, **options: Any
) -> None:
    """Builds an index while others read and write the table; does nothing where it exists. ``options``: as for
    ``op.create_index``.

    Call it before anything else in ``upgrade``: it runs outside of the script's transaction and commits what was done, and
    a run that is broken off begins the script again. An index on a new column belongs to a script of its own.
    """
    with op.get_context().autocommit_block():
        valid = op.get_bind().execute(_VALID, {"name": name}).scalar_one_or_none()
        if valid:
            return
        op.execute("SET lock_timeout = 0")  # it waits for older transactions, and holds nobody up meanwhile
        if valid is False:  # left by a build that was broken off
            op.drop_index(name, table, postgresql_concurrently=True)
        op.create_index(name, table, list(columns), unique=unique, postgresql_concurrently=True, **options)
        op.execute(f"SET lock_timeout = '{LOCK_TIMEOUT}'")
