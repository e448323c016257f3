"""Migrations while services go on: who waits for whom, and what a run that is broken off leaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import psycopg
import pytest
from alembic import command
from sqlalchemy import Connection

from heliograph_common.db import migrations
from heliograph_common.db.engine import Database
from heliograph_common.errors import DatabaseUnavailable
from heliograph_common.provision import provision
from heliograph_common.settings import ServiceSettings
from heliograph_local.testing.worlds import Database as World

pytestmark = pytest.mark.backends

NEAR = (
    "SELECT c.relname, i.indisvalid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE c.relname ~ '_near_'"
)
VALID = [(f"ix_images_near_{band}", True) for band in range(3)]
WRITE = "INSERT INTO images (id, owner, name, source, sha256, bytes, mime_type, width, height) VALUES "
BUILD = "CREATE INDEX CONCURRENTLY"
ROW = "(gen_random_uuid(), 'ann', 'a', 'upload', gen_random_uuid()::text, 1, 'image/png', 1, 1)"

Session = psycopg.AsyncConnection[tuple[Any, ...]]


@pytest.fixture
async def old(db: Database) -> Database:
    """The database as it was at version 0001."""

    def back(connection: Connection) -> None:
        command.downgrade(migrations.config(connection), "base")
        command.upgrade(migrations.config(connection), "0001")

    async with db.engine.begin() as connection:
        await connection.run_sync(back)
    return db


@pytest.fixture
async def service(database: World) -> AsyncIterator[Session]:
    """A session of the previous version."""
    async with await psycopg.AsyncConnection.connect(database.libpq_url) as session:
        yield session


@pytest.fixture
async def onlooker(database: World) -> AsyncIterator[Session]:
    """Another one, each of whose statements is a transaction."""
    async with await psycopg.AsyncConnection.connect(database.libpq_url, autocommit=True) as session:
        yield session


async def seen(onlooker: Session, statement: str) -> int:
    """The process that waits with this statement, as soon as there is one."""
    query = (
        "SELECT pid FROM pg_stat_activity "
        "WHERE datname = current_database() AND wait_event_type = 'Lock' AND starts_with(query, %s)"
    )
    async with asyncio.timeout(30):
        while (found := await (await onlooker.execute(query, [statement])).fetchone()) is None:
            await asyncio.sleep(0.05)
    return int(found[0])


async def test_rows_are_written_while_an_index_is_built(old: Database, service: Session, onlooker: Session) -> None:
    await service.execute(WRITE + ROW)  # and does not commit: the build has to wait for it
    run = asyncio.create_task(migrations.run(old.engine))
    await seen(onlooker, BUILD)
    await onlooker.execute("SET lock_timeout = '10s'")
    await onlooker.execute(WRITE + ROW)
    await asyncio.sleep(3)  # longer than a migration waits for a lock
    assert not run.done()
    await service.commit()

    assert await run == "0001"
    assert sorted(await (await onlooker.execute(NEAR)).fetchall()) == VALID


async def test_a_run_that_was_killed_is_continued(old: Database, service: Session, onlooker: Session) -> None:
    await service.execute(WRITE + ROW)
    run = asyncio.create_task(migrations.run(old.engine))
    building = await seen(onlooker, BUILD)
    await onlooker.execute("SELECT pg_terminate_backend(%s)", [building])
    with pytest.raises(DatabaseUnavailable):
        await run
    assert await (await onlooker.execute(NEAR)).fetchall() == [("ix_images_near_0", False)]
    await service.commit()

    assert await migrations.run(old.engine) == "0001"
    assert sorted(await (await onlooker.execute(NEAR)).fetchall()) == VALID
    assert await migrations.run(old.engine) == migrations.head()


async def test_runs_at_the_same_time(old: Database) -> None:
    found = await asyncio.gather(*(migrations.run(old.engine) for _ in range(4)))
    assert sorted(str(version) for version in found) == ["0001"] + [str(migrations.head())] * 3


async def test_readers_do_not_queue_behind_a_migration(old: Database, service: Session, onlooker: Session) -> None:
    """It waits for a table that a long transaction has read, and everyone after it would wait too."""
    await service.execute("SELECT count(*) FROM images")
    run = asyncio.create_task(migrations.run(old.engine))
    await seen(onlooker, "ALTER TABLE images")
    await onlooker.execute("SET lock_timeout = '30s'")
    await onlooker.execute("SELECT count(*) FROM images")
    assert not run.done()
    await service.commit()

    assert await run == "0001"


async def test_migrations_have_no_statement_timeout(
    make_settings: Callable[..., Any], old: Database, service: Session, onlooker: Session
) -> None:
    hurried = Database(make_settings(ServiceSettings, database={"statement_timeout": 0.2}).database, application="test")
    await service.execute(WRITE + ROW)
    run = asyncio.create_task(migrations.run(hurried.engine))
    await seen(onlooker, BUILD)
    await asyncio.sleep(1)  # the index waits for the transaction, in PostgreSQL
    await service.commit()
    try:
        assert await run == "0001"
    finally:
        await hurried.close()


async def test_a_killed_installation_gets_its_default_sizes(
    old: Database, settings: ServiceSettings, onlooker: Session
) -> None:
    """The run that made the tables cannot say any more that there were none."""
    await provision(settings)

    assert await (await onlooker.execute("SELECT count(*) > 0 FROM display_sizes")).fetchone() == (True,)
