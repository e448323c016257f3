"""Connections and transactions. Errors of the connection become ``DatabaseUnavailable``; all others pass as they are."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from typing import Any

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from heliograph_common.errors import DatabaseUnavailable
from heliograph_common.settings import DatabaseSettings
from heliograph_common.telemetry import spans
from heliograph_common.telemetry.tracing import current_trace_id


class Database:
    """A pool of connections to one database."""

    def __init__(self, settings: DatabaseSettings, *, application: str) -> None:
        self._engine: AsyncEngine = create_async_engine(
            settings.url.get_secret_value(),
            pool_size=settings.pool_size,
            max_overflow=0,
            pool_timeout=settings.connect_timeout,
            pool_pre_ping=True,  # a restart of PostgreSQL must not cost the first request after it
            connect_args=connect_arguments(settings, application),
        )

    @property
    def engine(self) -> AsyncEngine:
        """The engine, for migrations and instrumentation."""
        return self._engine

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """One transaction: committed at the end of the block, rolled back by any exception.

        Raises:
            DatabaseUnavailable: no connection could be had or it broke. The transaction may still have been committed
                if the connection broke during the commit itself.
        """
        # Outside of a trace (sweeps, health checks) a span would only be a trace of its own.
        span = spans.client_span("postgresql", "transaction") if current_trace_id() else nullcontext()
        try:
            with span:
                async with self._engine.begin() as connection:
                    yield connection
        except (OperationalError, InterfaceError, PoolTimeout) as error:
            raise DatabaseUnavailable(f"PostgreSQL: {_cause(error)}", delay=1.0) from error
        except DBAPIError as error:
            if error.connection_invalidated:
                raise DatabaseUnavailable(f"PostgreSQL: {_cause(error)}", delay=1.0) from error
            raise

    async def ready(self) -> None:
        """Returns when a statement went through.

        Raises:
            DatabaseUnavailable: it did not.
        """
        async with self.transaction() as connection:
            await connection.execute(text("SELECT 1"))

    async def close(self) -> None:
        """Closes all connections."""
        await self._engine.dispose()


def connect_arguments(settings: DatabaseSettings, application: str) -> dict[str, Any]:
    """What every connection of ours tells libpq, beside where the server is."""
    return {
        "connect_timeout": max(1, round(settings.connect_timeout)),
        "application_name": application,
        # A frozen or cut-off process must not keep its locks: whoever takes its work over would wait for it.
        "options": f"-c idle_in_transaction_session_timeout={round(settings.idle_transaction * 1000)}",
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
    }


def _cause(error: Exception) -> str:
    """The driver's own words, without the statement and its parameters."""
    return " ".join(str(getattr(error, "orig", None) or error).split())
