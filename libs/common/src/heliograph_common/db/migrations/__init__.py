"""Alembic's scripts. ``run`` brings a database to the newest version; services never do, ``provision`` does."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine

_LOCK = 0x48454C494F  # "HELIO": one migration at a time, whoever starts it


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
    """Migrates to the newest version, under a lock, in one transaction; returns the version it found."""

    def upgrade(connection: Connection) -> str | None:
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        before = MigrationContext.configure(connection).get_current_revision()
        command.upgrade(config(connection), "head")
        return before

    async with engine.begin() as connection:
        return await connection.run_sync(upgrade)
