"""``make migration``: what it writes for tables that a database lacks, applied to that database, makes up the difference."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from scripts.new_migration import COLLATED, VERSIONS, Written, main, write
from sqlalchemy import Connection, text

from heliograph_common.db import migrations
from heliograph_common.db.engine import Database
from heliograph_common.db.tables import metadata

NEXT = f"{int(migrations.head() or 0) + 1:04}"


def _config(connection: Connection, folder: Path) -> Config:
    config = migrations.config(connection)
    config.set_main_option("version_locations", f"{VERSIONS} {folder}")
    config.set_main_option("path_separator", "space")
    return config


async def _written(db: Database, folder: Path, *before: str) -> Written:
    async with db.engine.begin() as connection:
        for statement in before:
            await connection.execute(text(statement))
    async with db.engine.connect() as connection:
        return await connection.run_sync(lambda c: write(c, "words of a picture", _config(c, folder), folder))


def _differences(connection: Connection) -> list[str]:
    context = MigrationContext.configure(connection, opts={"compare_server_default": True})
    return [
        f"{change[0]} {change[1].name}"
        for change in compare_metadata(context, metadata)
        if change[1].name not in COLLATED
    ]


async def test_a_new_table_and_an_index_are_written_in_the_style_of_the_others(db: Database, tmp_path: Path) -> None:
    written = await _written(db, tmp_path, "DROP TABLE rate_limits", "DROP INDEX ix_images_failed")

    assert written.file == tmp_path / f"{NEXT}_words_of_a_picture.py"
    source = written.file.read_text(encoding="utf-8")
    assert source.startswith(
        f'"""Words of a picture\n\nRevision ID: {NEXT}\nRevises: {migrations.head()}\n"""\n\nimport'
    )
    assert "from heliograph_common.db.migrations.indexes import concurrent_index\n" in source
    assert "###" not in source
    upgrade = source.partition("def upgrade() -> None:\n")[2].partition("def downgrade")[0]
    assert upgrade.startswith("    concurrent_index(\n")
    assert upgrade.index('"ix_images_failed"') < upgrade.index('op.create_table(\n        "rate_limits"')
    assert "ix_renditions_key" not in source


async def test_what_is_written_makes_up_the_difference_and_can_be_undone(db: Database, tmp_path: Path) -> None:
    await _written(db, tmp_path, "DROP TABLE rate_limits", "DROP INDEX ix_images_failed")
    async with db.engine.connect() as connection:
        await connection.run_sync(lambda c: command.upgrade(_config(c, tmp_path), NEXT))
        assert await connection.run_sync(_differences) == []
        await connection.run_sync(lambda c: command.downgrade(_config(c, tmp_path), migrations.head() or "base"))
        assert await connection.run_sync(_differences) == ["add_table rate_limits", "add_index ix_images_failed"]


async def test_an_index_on_a_new_column_is_left_for_a_migration_of_its_own(db: Database, tmp_path: Path) -> None:
    written = await _written(db, tmp_path, "ALTER TABLE images DROP COLUMN phash")

    assert written.left == ["ix_images_near_0", "ix_images_near_1", "ix_images_near_2"]
    assert written.file is not None
    source = written.file.read_text(encoding="utf-8")
    assert 'op.add_column("images", sa.Column("phash", sa.BigInteger(), nullable=True))' in source
    assert "ix_images_near" not in source


async def test_without_a_difference_nothing_is_written(db: Database, tmp_path: Path) -> None:
    assert await _written(db, tmp_path) == Written()
    assert list(tmp_path.iterdir()) == []


def test_the_number_is_the_next_one() -> None:
    assert sorted(path.name[:4] for path in VERSIONS.glob("0*.py"))[-1] < NEXT


def test_it_asks_for_a_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["  "]) == 1
    assert 'make migration NAME="' in capsys.readouterr().err
