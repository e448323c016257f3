"""One connection beside the pool, for single statements that stand in the way of every request.

Each is a transaction of its own, one round trip and one after the other: a quarter of what a statement costs that takes a
connection of the pool (ADR 0012 has the figures). Routes that hold the pool do not hold these up, nor the other way round.
Rate limits use it; what changes a picture goes through ``engine.Database``.

A server that is hung or dead must not hold up every request in turn: statements have a short limit, and after a failure all
who wait are told at once, while one caller tries again. The wait for one's turn is limited like that for a lock, and no
shorter: else a caller who sends enough at one time would switch the rate limits off.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, nullcontext
from typing import Any, LiteralString

import psycopg

from heliograph_common.db.connection import BoundedConnection, NoAnswer, connect, connect_arguments, server_address
from heliograph_common.db.sqlstate import Trouble, trouble
from heliograph_common.errors import DatabaseUnavailable
from heliograph_common.settings import DatabaseSettings
from heliograph_common.telemetry import spans
from heliograph_common.telemetry.tracing import current_trace_id

_SECONDS = 2.0
"""For a statement, which takes a few milliseconds; all requests wait behind it."""
_PAUSE = 1.0
"""Seconds after a failure in which nobody tries."""


class SingleStatements:
    """Connects when it is first used, and again when the connection is lost. ``monotonic``: seconds."""

    def __init__(
        self, settings: DatabaseSettings, *, application: str, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._arguments = server_address(settings) | connect_arguments(settings, application, statement=_SECONDS)
        self._turn_seconds = settings.lock_timeout
        self._connection: BoundedConnection | None = None
        self._turn = asyncio.Lock()
        self._monotonic = monotonic
        self._failed_at: float | None = None

    async def row(self, statement: LiteralString, values: Mapping[str, object]) -> tuple[Any, ...] | None:
        """The first row that ``statement`` gives. It is sent again where the connection turns out to be dead.

        Raises:
            DatabaseUnavailable: it failed, for whatever reason, or others did just now. It may have taken effect.
        """
        # Outside of a trace (sweeps) a span would only be a trace of its own.
        span = spans.client_span("postgresql", "statement") if current_trace_id() else nullcontext()
        with span:
            async with self._taken_turn():
                try:
                    found = await self._row(statement, values)
                except psycopg.Error as error:
                    self._failed_at = self._monotonic()
                    raise DatabaseUnavailable(f"PostgreSQL: {' '.join(str(error).split())}", delay=1.0) from error
                self._failed_at = None
                return found

    async def close(self) -> None:
        """Closes the connection."""
        if self._connection is not None:
            await self._connection.close()
            self._connection = None

    @asynccontextmanager
    async def _taken_turn(self) -> AsyncIterator[None]:
        if self._failed_at is not None and self._turn.locked():
            raise DatabaseUnavailable("PostgreSQL failed, and another caller is reconnecting", delay=1.0)
        self._refuse_after_failure()
        try:
            async with asyncio.timeout(self._turn_seconds):
                await self._turn.acquire()
        except TimeoutError as error:
            raise DatabaseUnavailable(f"PostgreSQL: no turn in {self._turn_seconds:g} s", delay=1.0) from error
        try:
            self._refuse_after_failure()
            yield
        finally:
            self._turn.release()

    def _refuse_after_failure(self) -> None:
        if self._failed_at is not None and self._monotonic() < self._failed_at + _PAUSE:
            raise DatabaseUnavailable("PostgreSQL failed just now", delay=1.0)

    async def _row(self, statement: LiteralString, values: Mapping[str, object]) -> tuple[Any, ...] | None:
        if self._connection is not None:
            try:
                return await self._sent(self._connection, statement, values)
            except psycopg.OperationalError as error:
                # A restart of PostgreSQL must not cost the first request after it; a server that hangs is not asked twice.
                if isinstance(error, NoAnswer) or trouble(error.sqlstate) is Trouble.BUSY:
                    raise
        self._connection = await connect(autocommit=True, **self._arguments)
        self._connection.patience = _SECONDS
        return await self._sent(self._connection, statement, values)

    async def _sent(
        self, connection: BoundedConnection, statement: LiteralString, values: Mapping[str, object]
    ) -> tuple[Any, ...] | None:
        try:
            return await (await connection.execute(statement, values)).fetchone()
        except BaseException:  # failed or cancelled: in what state the connection is now, nobody needs to find out
            await self.close()
            raise
