"""Alembic's scripts. ``run`` brings a database to the newest version; services never do, ``provision`` does.

Services of the previous version go on meanwhile, so a migration holds nobody up for long: it gives up waiting for a lock
after ``limits.LOCK_TIMEOUT`` and tries again, and builds indexes on tables that have rows with ``indexes.concurrent_index``.
Each script is a transaction of its own: a run that is broken off is continued by the next one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError, PendingRollbackError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from heliograph_common.db.engine import set_patience, sqlstate_of, translated
from heliograph_common.db.locks import Lock, try_hold_for_session
from heliograph_common.db.migrations.limits import LOCK_TIMEOUT
from heliograph_common.errors import DatabaseUnavailable

_PATIENCE = 600.0
"""Seconds to wait for another run, or for locks, in all."""
_PAUSE = 0.5
_LONGEST_STATEMENT = 12 * 3600.0
"""Seconds on this side; on the server's side there is no limit."""
_LOCK_NOT_AVAILABLE, _DEADLOCK = "55P03", "40P01"
_SETTINGS = (
    f"SET lock_timeout = '{LOCK_TIMEOUT}'",
    "SET statement_timeout = 0",
    # A run that was killed must not go on building, and keep the lock, until it is done.
    "SET client_connection_check_interval = '2s'",
)


def config(connection: Connection | None = None) -> Config:
    """Alembic's configuration, with the connection that ``env.py`` uses."""
    settings = Config()
    settings.set_main_option("script_location", str(Path(__file__).parent))
    settings.attributes["connection"] = connection
    return settings


def head() -> str | None:
    """The newest version that this code knows."""
    return ScriptDirectory.from_config(config()).get_current_head()


async def run(engine: AsyncEngine) -> str | None:
    """Migrates to the newest version, one run at a time; returns the version it found. ``engine``: that of a ``Database``.

    Raises:
        DatabaseUnavailable: the server is away, or locks or another run stood in the way for ten minutes. What was done
            stays done; run it again.
    """
    with translated():
        found: list[str | None] = []
        deadline = asyncio.get_running_loop().time() + _PATIENCE
        while True:
            try:
                async with _session(engine) as connection:
                    await _lock(connection, deadline)
                    found.append(await connection.run_sync(_version))
                    await connection.commit()
                    await connection.run_sync(lambda c: command.upgrade(config(c), "head"))
                    return found[0]
            except DBAPIError as error:
                held_up = sqlstate_of(error) in (_LOCK_NOT_AVAILABLE, _DEADLOCK)
                if not held_up or asyncio.get_running_loop().time() > deadline:
                    raise
            await asyncio.sleep(_PAUSE)  # those who queued behind it come first


@asynccontextmanager
async def _session(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    async with engine.connect() as connection:
        try:
            await set_patience(connection, _LONGEST_STATEMENT)
            for setting in _SETTINGS:
                await connection.execute(text(setting))
            await connection.commit()
            yield connection
        except PendingRollbackError as error:  # a lost connection, whose own error the end of an autocommit block hides
            raise DatabaseUnavailable("PostgreSQL: the connection broke while an index was built", delay=1.0) from error
        finally:
            await connection.invalidate()  # closes it: its settings and its lock end with it


async def _lock(connection: AsyncConnection, deadline: float) -> None:
    """Polls: who waits for a lock inside PostgreSQL keeps a snapshot, which CREATE INDEX CONCURRENTLY waits for."""
    while not await try_hold_for_session(connection, Lock.MIGRATE):
        await connection.commit()
        if asyncio.get_running_loop().time() > deadline:
            raise DatabaseUnavailable("PostgreSQL: another migration is still running", delay=1.0)
        await asyncio.sleep(_PAUSE)
    await connection.commit()


def _version(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()
