"""One connection beside the pool, for single statements that stand in the way of every request.

Each is a transaction of its own, one round trip and one after the other: a quarter of what a statement costs that takes a
connection of the pool (ADR 0012 has the figures). Routes that hold the pool do not hold these up, nor the other way round.
Rate limits use it; what changes a picture goes through ``engine.Database``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import nullcontext, suppress
from typing import Any, LiteralString

import psycopg
from sqlalchemy.engine import make_url

from heliograph_common.db.engine import connect_arguments
from heliograph_common.errors import DatabaseUnavailable
from heliograph_common.settings import DatabaseSettings
from heliograph_common.telemetry import spans
from heliograph_common.telemetry.tracing import current_trace_id

_Connection = psycopg.AsyncConnection[tuple[Any, ...]]


class SingleStatements:
    """Connects when it is first used, and anew when the connection is lost."""

    def __init__(self, settings: DatabaseSettings, *, application: str) -> None:
        url = make_url(settings.url.get_secret_value()).set(drivername="postgresql")
        self._address = url.render_as_string(hide_password=False)
        self._arguments = connect_arguments(settings, application)
        self._connection: _Connection | None = None
        self._turn = asyncio.Lock()
        self._failures = 0

    async def row(self, statement: LiteralString, values: Mapping[str, object]) -> tuple[Any, ...] | None:
        """The first row that ``statement`` gives. It is sent again where the connection turns out to be dead.

        Raises:
            DatabaseUnavailable: it failed. It may have taken effect.
        """
        # Outside of a trace (sweeps) a span would only be a trace of its own.
        span = spans.client_span("postgresql", "statement") if current_trace_id() else nullcontext()
        failures = self._failures
        with span:
            async with self._turn:
                if self._failures != failures:  # else all who wait would try to connect, one after the other
                    raise DatabaseUnavailable("PostgreSQL: it failed those who waited before", delay=1.0)
                try:
                    return await self._row(statement, values)
                except psycopg.Error as error:
                    self._failures += 1
                    raise DatabaseUnavailable(f"PostgreSQL: {' '.join(str(error).split())}", delay=1.0) from error

    async def close(self) -> None:
        """Closes the connection."""
        if self._connection is not None:
            await self._connection.close()
            self._connection = None

    async def _row(self, statement: LiteralString, values: Mapping[str, object]) -> tuple[Any, ...] | None:
        if self._connection is not None:
            with suppress(psycopg.OperationalError):  # a restart of PostgreSQL must not cost the first request after it
                return await self._sent(self._connection, statement, values)
        self._connection = await psycopg.AsyncConnection.connect(self._address, autocommit=True, **self._arguments)
        return await self._sent(self._connection, statement, values)

    async def _sent(
        self, connection: _Connection, statement: LiteralString, values: Mapping[str, object]
    ) -> tuple[Any, ...] | None:
        try:
            return await (await connection.execute(statement, values)).fetchone()
        except BaseException:  # failed or cancelled: in what state the connection is now, nobody needs to find out
            await self.close()
            raise
