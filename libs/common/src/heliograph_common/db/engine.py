"""The pool and its transactions. Errors that say that the server is away or busy become ``DatabaseUnavailable``.

Which these are says ``sqlstate``; all others pass as they are. ``connection`` bounds each exchange with the server.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext
from typing import Any

import psycopg
from sqlalchemy import event, text
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from heliograph_common.db.connection import (
    MARGIN,
    PROMPT,
    BoundedConnection,
    connect,
    connect_arguments,
    milliseconds,
)
from heliograph_common.db.sqlstate import Trouble, trouble
from heliograph_common.errors import DatabaseUnavailable
from heliograph_common.settings import DatabaseSettings
from heliograph_common.telemetry import spans
from heliograph_common.telemetry.tracing import current_trace_id

_STATEMENT_TIMEOUT = text("SELECT set_config('statement_timeout', :milliseconds, true)")
_WRITABLE = text("""
    DO $$ BEGIN
        IF pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean THEN
            RAISE read_only_sql_transaction USING MESSAGE = 'the server is read-only';
        END IF;
    END $$
""")


class Database:
    """A pool of connections to one database."""

    def __init__(self, settings: DatabaseSettings, *, application: str) -> None:
        self._engine: AsyncEngine = create_async_engine(
            settings.url.get_secret_value(),
            pool_size=settings.pool_size,
            max_overflow=0,
            pool_timeout=settings.connect_timeout,
            hide_parameters=True,  # errors quote statements; what clients sent is not for logs and dead letters
            pool_pre_ping=True,  # a restart of PostgreSQL must not cost the first request after it
            connect_args={"async_creator_fn": connect, **connect_arguments(settings, application)},
        )
        _watch(self._engine, patience=settings.statement_timeout + MARGIN)

    @property
    def engine(self) -> AsyncEngine:
        """The engine, for migrations and instrumentation."""
        return self._engine

    @asynccontextmanager
    async def transaction(self, *, statement_seconds: float | None = None) -> AsyncIterator[AsyncConnection]:
        """One transaction: committed at the end of the block, rolled back by any exception.

        ``statement_seconds``: how long a statement of this one may take, instead of ``statement_timeout``.

        Raises:
            DatabaseUnavailable: no connection could be had, it broke, did not answer in time, or the server is read-only
                or too busy. The transaction may still have been committed if that happened during the commit itself.
        """
        # Outside of a trace (sweeps, health checks) a span would only be a trace of its own.
        span = spans.client_span("postgresql", "transaction") if current_trace_id() else nullcontext()
        with translated(), span:
            async with self._engine.begin() as connection:
                if statement_seconds is not None:
                    await set_patience(connection, statement_seconds + MARGIN)
                    limit = {"milliseconds": str(milliseconds(statement_seconds))}
                    await connection.execute(_STATEMENT_TIMEOUT, limit)
                yield connection

    async def ready(self) -> None:
        """Returns when a statement went through.

        Raises:
            DatabaseUnavailable: it did not.
        """
        async with self.transaction() as connection:
            await connection.execute(text("SELECT 1"))

    async def writable(self) -> None:
        """Returns when the server would take changes. It makes none.

        Raises:
            DatabaseUnavailable: it is away, in recovery (a standby) or read-only.
        """
        async with self.transaction() as connection:
            await connection.execute(_WRITABLE)

    async def close(self) -> None:
        """Closes all connections."""
        await self._engine.dispose()


@contextmanager
def translated() -> Iterator[None]:
    """Turns errors of SQLAlchemy that say that the server is away or busy into our own.

    Raises:
        DatabaseUnavailable: instead of them.
    """
    try:
        yield
    except PoolTimeout as error:
        raise DatabaseUnavailable(f"PostgreSQL: {_words(error)}", delay=1.0) from error
    except DBAPIError as error:
        if error.connection_invalidated or trouble(sqlstate_of(error)) is not None:
            raise DatabaseUnavailable(f"PostgreSQL: {_words(error.orig or error)}", delay=1.0) from error
        raise


def sqlstate_of(error: DBAPIError) -> str | None:
    """The server's code for the error; ``None`` where it is the driver's own."""
    return error.orig.sqlstate if isinstance(error.orig, psycopg.Error) else None


async def set_patience(connection: AsyncConnection, seconds: float) -> None:
    """Lets exchanges on ``connection`` take ``seconds``, until it goes back to the pool."""
    _bounded((await connection.get_raw_connection()).driver_connection).patience = seconds


def _watch(engine: AsyncEngine, *, patience: float) -> None:
    """``patience``: seconds for an exchange of whoever has a connection; for the pool's own it is short."""

    def checked_out(connection: Any, *_: object) -> None:
        _bounded(connection.driver_connection).patience = patience

    def checked_in(connection: Any, *_: object) -> None:
        if connection is not None:  # else it is thrown away
            _bounded(connection.driver_connection).patience = PROMPT

    event.listen(engine.sync_engine, "checkout", checked_out)
    event.listen(engine.sync_engine, "checkin", checked_in)
    event.listen(engine.sync_engine, "handle_error", _throw_away_what_leads_nowhere)


def _throw_away_what_leads_nowhere(context: ExceptionContext) -> None:
    """SQLAlchemy then connects again, for all the pool: else each of its connections would fail one more request."""
    error = context.original_exception
    if isinstance(error, psycopg.Error):
        connecting = context.connection is None and not context.is_pre_ping
        failed_to_connect = connecting and isinstance(error, psycopg.OperationalError)
        if failed_to_connect or trouble(error.sqlstate) is Trouble.AWAY:
            context.is_disconnect = True


def _bounded(connection: Any) -> BoundedConnection:
    assert isinstance(connection, BoundedConnection)  # noqa: S101 - the pool makes no others
    return connection


def _words(error: BaseException) -> str:
    """Without the statement and its parameters."""
    return " ".join(str(error).split())
