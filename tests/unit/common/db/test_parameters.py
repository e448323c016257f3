"""What errors of the database tell."""

from __future__ import annotations

from heliograph_common.db.engine import Database
from heliograph_common.settings import DatabaseSettings


async def test_errors_do_not_quote_what_clients_sent() -> None:
    database = Database(DatabaseSettings(), application="test")
    assert database.engine.sync_engine.hide_parameters
    await database.engine.dispose()
