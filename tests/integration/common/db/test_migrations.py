"""The migrated schema is the one that the models declare, and going down and up again ends where it began."""

from __future__ import annotations

from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, text

from heliograph_common.db import migrations
from heliograph_common.db.engine import Database
from heliograph_common.db.tables import metadata

pytestmark = pytest.mark.backends


def _differences(connection: Connection) -> list[object]:
    context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
    return [change for change in compare_metadata(context, metadata) if not _is_collated(change)]


def _is_collated(change: Any) -> bool:
    """SQLAlchemy reads an index with a collation as one without; ``test_keys_are_indexed_by_their_bytes`` looks at it."""
    return change[0] in {"add_index", "remove_index"} and change[1].name == "ix_renditions_key"


async def test_keys_are_indexed_by_their_bytes(db: Database) -> None:
    statement = text("SELECT indexdef FROM pg_indexes WHERE indexname = 'ix_renditions_key'")
    async with db.engine.connect() as connection:
        assert 'btree (key COLLATE "C") INCLUDE (bytes)' in (await connection.execute(statement)).scalar_one()


async def test_models_and_migrations_agree(db: Database) -> None:
    async with db.engine.connect() as connection:
        assert await connection.run_sync(_differences) == []


async def test_down_and_up_again(db: Database) -> None:
    def down(connection: Connection) -> None:
        command.downgrade(migrations.config(connection), "base")

    async with db.engine.begin() as connection:
        await connection.run_sync(down)
    assert await migrations.run(db.engine) is None
    assert await migrations.run(db.engine) == migrations.head()
    async with db.engine.connect() as connection:
        assert await connection.run_sync(_differences) == []
