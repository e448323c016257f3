"""Transactions of a process that stands still."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from heliograph_common.db.display_size_models import DisplaySize
from heliograph_common.db.engine import Database
from heliograph_common.errors import DatabaseUnavailable
from heliograph_common.settings import ServiceSettings


async def test_locks_of_a_process_that_stands_still_are_freed(make_settings: Callable[..., Any]) -> None:
    """A worker that is frozen between its update and its commit must not hold up the one that takes over."""
    settings: ServiceSettings = make_settings(ServiceSettings, database={"idle_transaction": 0.5})
    frozen, other = (Database(settings.database, application=name) for name in ("frozen", "other"))
    try:
        with pytest.raises(DatabaseUnavailable):
            await _stand_still_while_another_needs_the_rows(frozen, other)
        await frozen.ready()
    finally:
        await frozen.close()
        await other.close()


async def _stand_still_while_another_needs_the_rows(frozen: Database, other: Database) -> None:
    rows = select(DisplaySize.name).order_by(DisplaySize.name).with_for_update()
    async with frozen.transaction() as held:
        names = (await held.execute(rows)).all()
        assert names
        async with asyncio.timeout(20), other.transaction() as connection:
            assert (await connection.execute(rows)).all() == names
        await held.execute(rows)
