"""Connections on which nothing waits without end. ``engine`` pools them, ``single`` holds one.

PostgreSQL ends statements and waits for locks that take too long, and the kernel ends connections to a machine that
acknowledges nothing. Neither helps against a peer that acknowledges and never answers (a frozen server, a proxy that stopped
forwarding): so each exchange has a limit on this side too, a little above the server's.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import psycopg
from psycopg.abc import RV, PQGen
from psycopg.errors import ConnectionTimeout
from psycopg.pq import TransactionStatus
from psycopg.waiting import wait_async
from sqlalchemy.engine import make_url

from heliograph_common.settings import DatabaseSettings

MARGIN = 2.0
"""Seconds that an answer may be late: the server's own word on a limit says more than ours."""
PROMPT = 3.0
"""Seconds for what any server answers at once: a ping, a rollback."""
_CANCELLING = 1.0
_WAKE = 0.1
_SHORTEST_ATTEMPT = 2
"""Seconds; psycopg gives no attempt less."""


class NoAnswer(psycopg.OperationalError):
    """The server did not answer in time. What it was told may have taken effect; the connection is closed."""


class BoundedConnection(psycopg.AsyncConnection[tuple[Any, ...]]):
    """``patience``: seconds that one exchange (a statement, a commit) may take."""

    patience: float = PROMPT

    async def wait(self, gen: PQGen[RV], interval: float = _WAKE, timeout: float | None = None) -> RV:  # noqa: ASYNC109
        """See psycopg; everything that this connection sends and reads comes by here.

        Raises:
            NoAnswer: the patience is over.
        """
        bound = self.patience if timeout is None else timeout
        try:
            # psycopg's own limit, and not asyncio.timeout: it still takes an answer that a busy event loop comes late for.
            return await wait_async(gen, self.pgconn.socket, interval=interval, timeout=bound)
        except psycopg.OperationalError as error:
            if timeout is not None or error.sqlstate is not None or not self._waiting:
                raise  # the server's word, or what the driver refused to send
            self.pgconn.finish()
            raise NoAnswer(f"no answer in {bound:g} s") from error
        except asyncio.CancelledError:
            await self._abandon()
            raise

    @property
    def _waiting(self) -> bool:
        """Whether the server has been told something and has not answered."""
        return self.pgconn.transaction_status == TransactionStatus.ACTIVE

    async def rollback(self) -> None:
        """See psycopg; with less patience, as it ends what has failed already."""
        patience, self.patience = self.patience, min(self.patience, PROMPT)
        try:
            await super().rollback()
        finally:
            self.patience = patience

    async def _abandon(self) -> None:
        """Has the server stop what nobody waits for any more, that it may free its locks. psycopg would wait for its
        answer, to go on using the connection, which SQLAlchemy throws away in any case."""
        if not self._waiting:
            return
        try:
            with suppress(psycopg.Error, TimeoutError):
                async with asyncio.timeout(_CANCELLING):
                    await self.cancel_safe(timeout=_CANCELLING)
        finally:
            self.pgconn.finish()


async def connect(*args: Any, **arguments: Any) -> BoundedConnection:
    """Connects to the first of the hosts that answers, all of them, and their names' look-up, within ``connect_timeout``.

    Raises:
        psycopg.OperationalError: none did.
    """
    hosts = str(arguments.get("host") or "").count(",") + 1
    seconds = float(arguments.pop("connect_timeout"))
    attempt = max(_SHORTEST_ATTEMPT, round(seconds / hosts))  # else a dead first host takes the time of the second
    try:
        async with asyncio.timeout(max(seconds, attempt * hosts)):
            return await BoundedConnection.connect(*args, **arguments, connect_timeout=attempt)
    except TimeoutError as error:
        raise ConnectionTimeout("connection timeout expired") from error


def server_address(settings: DatabaseSettings) -> dict[str, Any]:
    """Where the server is, as arguments of ``connect``: what SQLAlchemy makes of the URL, several hosts included."""
    url = make_url(settings.url.get_secret_value())
    _, arguments = url.get_dialect()().create_connect_args(url)
    return dict(arguments)


def connect_arguments(
    settings: DatabaseSettings, application: str, *, statement: float | None = None
) -> dict[str, Any]:
    """What every connection of ours tells libpq, beside where the server is. ``statement``: seconds that a statement may
    take, where the settings do not say it."""
    limits = {
        "statement_timeout": settings.statement_timeout if statement is None else statement,
        "lock_timeout": settings.lock_timeout,
        # A frozen or cut-off process must not keep its locks: whoever takes its work over would wait for it.
        "idle_in_transaction_session_timeout": settings.idle_transaction,
    }
    return {
        "connect_timeout": settings.connect_timeout,
        "application_name": application,
        "options": " ".join(f"-c {name}={milliseconds(seconds)}" for name, seconds in limits.items()),
        "tcp_user_timeout": milliseconds(settings.tcp_timeout),
        "keepalives_idle": max(1, round(settings.tcp_timeout / 2)),
        "keepalives_interval": max(1, round(settings.tcp_timeout / 4)),
        "keepalives_count": 2,
    }


def milliseconds(seconds: float) -> int:
    """As PostgreSQL takes limits, where 0 would mean none."""
    return max(1, round(seconds * 1000))
