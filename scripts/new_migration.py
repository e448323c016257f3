"""Writes the next migration: what the tables in ``db/*_models.py`` have and a freshly migrated database has not.

    python scripts/new_migration.py NAME        (make migration NAME="lanes of the outbox")

It migrates a database of its own on the embedded PostgreSQL, lets Alembic compare, and writes the file in the style of the
others. Indexes on tables that exist are built concurrently, before all else. One on a column that the same file adds is left
for the next run, because it needs a migration of its own. Alembic sees no triggers, check constraints or renamed columns:
read what it wrote.
"""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alembic import command
from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.autogenerate.render import render_op_text
from alembic.config import Config
from alembic.operations import ops
from pydantic import SecretStr
from sqlalchemy import Connection

from heliograph_common.db import migrations
from heliograph_common.db.engine import Database
from heliograph_common.settings import DatabaseSettings
from heliograph_local.testing.host import shared_servers
from heliograph_local.testing.worlds import create_database

VERSIONS = Path(migrations.__file__).parent / "versions"
COLLATED = frozenset({"ix_renditions_key"})
"""Indexes with a collation, which SQLAlchemy reads as ones without: they always look changed."""


class ConcurrentIndexOp(ops.MigrateOperation):
    """``concurrent_index`` of ``db.migrations.indexes``, for an index that Alembic would make with a lock."""

    def __init__(self, index: ops.CreateIndexOp) -> None:
        self.index = index


@renderers.dispatch_for(ConcurrentIndexOp)
def _render(context: AutogenContext, operation: ConcurrentIndexOp) -> str:
    context.imports.add("from heliograph_common.db.migrations.indexes import concurrent_index")
    call = render_op_text(context, operation.index)
    return call.replace("op.create_index(", "concurrent_index(").replace(", unique=False", "")


@dataclass
class Written:
    """The new file, ``None`` where tables and migrations agree; ``left``: indexes that need a migration of their own."""

    file: Path | None = None
    left: list[str] = field(default_factory=list)


def write(connection: Connection, name: str, config: Config, folder: Path = VERSIONS) -> Written:
    """Compares the tables with the migrated database behind ``connection`` and writes their difference to ``folder``."""
    written = Written()

    def prepare(_context: Any, _revision: Any, scripts: list[ops.MigrationScript]) -> None:
        (script,) = scripts
        up, down = script.upgrade_ops_list[0], script.downgrade_ops_list[0]
        operations = list(_flat(up.ops))
        written.left = sorted(_on_new_columns(operations))
        up.ops = _in_order(operations, written.left)
        down.ops = [each for each in _flat(down.ops) if _index_name(each) not in {*written.left, *COLLATED}]
        if up.is_empty():
            scripts.clear()

    config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    script = command.revision(
        config,
        name[:1].upper() + name[1:],
        autogenerate=True,
        rev_id=f"{int(migrations.head() or 0) + 1:04}",
        version_path=str(folder),
        process_revision_directives=prepare,
    )
    for each in script if isinstance(script, list) else [script]:
        if each is not None:
            written.file = Path(each.path)
            _tidy(written.file)
    return written


def _flat(operations: Iterable[ops.MigrateOperation]) -> Iterator[ops.MigrateOperation]:
    """Alembic groups the changes of one table."""
    for each in operations:
        if isinstance(each, ops.ModifyTableOps):
            yield from each.ops
        else:
            yield each


def _index_name(operation: ops.MigrateOperation) -> str | None:
    return operation.index_name if isinstance(operation, (ops.CreateIndexOp, ops.DropIndexOp)) else None


def _on_new_columns(operations: list[ops.MigrateOperation]) -> Iterator[str]:
    """The names of indexes that mention a column which is added beside them."""
    added = {(each.table_name, each.column.name) for each in operations if isinstance(each, ops.AddColumnOp)}
    for each in operations:
        if isinstance(each, ops.CreateIndexOp):
            words = re.findall(r"\w+", f"{[str(column) for column in each.columns]} {each.kw}")
            if any(table == each.table_name and column in words for table, column in added):
                yield str(each.index_name)


def _in_order(operations: list[ops.MigrateOperation], left: list[str]) -> list[ops.MigrateOperation]:
    """Indexes on tables that exist come first, concurrently; those in ``left`` and those with a collation not at all."""
    created = {each.table_name for each in operations if isinstance(each, ops.CreateTableOp)}
    indexes: list[ops.MigrateOperation] = []
    others: list[ops.MigrateOperation] = []
    for each in operations:
        if _index_name(each) in {*left, *COLLATED}:
            continue
        if isinstance(each, ops.CreateIndexOp) and each.table_name not in created:
            indexes.append(ConcurrentIndexOp(each))
        else:
            others.append(each)
    return indexes + others


def _tidy(file: Path) -> None:
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    file.write_text("".join(line for line in lines if not line.lstrip().startswith("# ###")), encoding="utf-8")
    ruff = [sys.executable, "-m", "ruff"]
    subprocess.run([*ruff, "check", "--quiet", "--fix", "--select", "F401,I", str(file)], check=True)
    subprocess.run([*ruff, "format", "--quiet", str(file)], check=True)


async def _on_a_fresh_database(url: str, name: str) -> Written:
    database = Database(DatabaseSettings(url=SecretStr(url)), application="heliograph-new-migration")
    try:
        await migrations.run(database.engine)
        async with database.engine.connect() as connection:
            return await connection.run_sync(lambda c: write(c, name, migrations.config(c)))
    finally:
        await database.close()


def main(arguments: list[str]) -> int:
    """1 without a name; 0 when the file is written or there is nothing to write."""
    name = " ".join(arguments).strip()
    if not name:
        print('say what the migration is about: make migration NAME="lanes of the outbox"', file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder, shared_servers(Path(folder)) as servers:
        database = servers.database("heliograph_new_migration")
        create_database(servers, database)
        written = asyncio.run(_on_a_fresh_database(database.url, name))
    if written.file is None:
        print("the tables and the migrations agree: nothing to write")
        return 0
    print(f"{written.file}: read it; Alembic sees no triggers, check constraints or renamed columns")
    if written.left:
        print(f"{', '.join(written.left)}: on a column that is new; run make migration again for a file of its own")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
