"""A PostgreSQL that hangs, is read-only or busy: every wait ends within its limit, in an error that says "try again"."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import pytest
from psycopg import sql
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection

from heliograph_common.db import connection as limits
from heliograph_common.db.connection import connect
from heliograph_common.db.engine import Database
from heliograph_common.db.single import SingleStatements
from heliograph_common.errors import DatabaseUnavailable
from heliograph_common.settings import DatabaseSettings, ServiceSettings
from heliograph_local.testing import proxy
from heliograph_local.testing.worlds import Database as World

STATEMENT, CONNECT = 1.0, 2.0
LONGEST = 10 * (STATEMENT + limits.MARGIN + limits.PROMPT + CONNECT)
"""Seconds; a busy machine may take ten times what each of the limits allows."""


def through(settings: DatabaseSettings, port: int) -> DatabaseSettings:
    """Settings that lead to another port."""
    url = make_url(settings.url.get_secret_value()).set(port=port)
    return settings.model_copy(update={"url": SecretStr(url.render_as_string(hide_password=False))})


@pytest.fixture
def short(make_settings: Callable[..., Any]) -> DatabaseSettings:
    """Short limits, and two connections."""
    settings: ServiceSettings = make_settings(
        ServiceSettings,
        database={"statement_timeout": STATEMENT, "lock_timeout": 0.5, "connect_timeout": CONNECT, "pool_size": 2},
    )
    return settings.database


@pytest.fixture
async def between(short: DatabaseSettings) -> AsyncIterator[proxy.TcpProxy]:
    """What stands between the database and those who use ``hidden``."""
    async with proxy.TcpProxy(lambda: make_url(short.url.get_secret_value()).port or 5432) as found:
        yield found


@asynccontextmanager
async def opened(settings: DatabaseSettings) -> AsyncIterator[Database]:
    """A pool for the block."""
    database = Database(settings, application="hidden")
    try:
        yield database
    finally:
        await database.close()


@pytest.fixture
async def hidden(short: DatabaseSettings, between: proxy.TcpProxy) -> AsyncIterator[Database]:
    """The test's database behind the proxy."""
    async with opened(through(short, between.port)) as database:
        yield database


async def unavailable(step: Awaitable[object]) -> None:
    """It ends within the limits, and says so."""
    async with asyncio.timeout(LONGEST):
        with pytest.raises(DatabaseUnavailable):
            await step


# -- a server that does not answer -------------------------------------------------------------------------------------


async def test_a_statement_without_an_answer_ends(hidden: Database, between: proxy.TcpProxy) -> None:
    async def work() -> None:
        async with hidden.transaction() as connection:
            await connection.execute(text("SELECT 1"))
            between.pause()
            await connection.execute(text("SELECT 2"))

    await unavailable(work())
    between.resume()
    await hidden.ready()


async def test_a_commit_without_an_answer_ends(hidden: Database, between: proxy.TcpProxy) -> None:
    async def work() -> None:
        async with hidden.transaction() as connection:
            await connection.execute(text("SELECT 1"))
            between.pause()

    await unavailable(work())


async def test_a_rollback_without_an_answer_ends(hidden: Database, between: proxy.TcpProxy) -> None:
    class OwnError(Exception):
        pass

    async def work() -> None:
        async with hidden.transaction() as connection:
            await connection.execute(text("SELECT 1"))
            between.pause()
            raise OwnError

    async with asyncio.timeout(LONGEST):
        with pytest.raises((OwnError, DatabaseUnavailable)):
            await work()


async def test_a_cancelled_statement_without_an_answer_ends(hidden: Database, between: proxy.TcpProxy) -> None:
    async def work() -> None:
        async with hidden.transaction(statement_seconds=60) as connection:
            await connection.execute(text("SELECT 1"))
            between.pause()
            await connection.execute(text("SELECT pg_sleep(50)"))

    task = asyncio.create_task(work())
    await asyncio.sleep(0.5)  # the server has the statement
    task.cancel()
    began = time.monotonic()
    with pytest.raises(asyncio.CancelledError):
        async with asyncio.timeout(LONGEST):
            await task
    assert time.monotonic() - began < 10 * limits._CANCELLING


async def test_all_who_wait_are_told(hidden: Database, between: proxy.TcpProxy) -> None:
    """Pings of the pool's connections, new connections, and waiting for one of the pool."""
    await asyncio.gather(hidden.ready(), hidden.ready())
    between.pause()
    await asyncio.gather(*(unavailable(hidden.ready()) for _ in range(30)))
    between.resume()
    await hidden.ready()


async def test_a_dropped_connection_costs_nothing(hidden: Database, between: proxy.TcpProxy) -> None:
    await hidden.ready()
    between.drop()
    await hidden.ready()


async def test_single_statements_hold_nobody_up(short: DatabaseSettings, between: proxy.TcpProxy) -> None:
    """Forty who come one after the other wait no longer than a few do."""
    statements = SingleStatements(through(short, between.port), application="hidden")
    try:
        assert await statements.row("SELECT 1", {}) == (1,)
        between.pause()
        await asyncio.gather(*(unavailable(statements.row("SELECT 1", {})) for _ in range(20)))
        began = time.monotonic()
        for _ in range(1000):
            with pytest.raises(DatabaseUnavailable):
                await statements.row("SELECT 1", {})
        assert time.monotonic() - began < 30
        between.resume()
        await asyncio.sleep(1.0)  # the pause after a failure, by the real clock
        assert await statements.row("SELECT 1", {}) == (1,)
    finally:
        await statements.close()


async def test_one_caller_finds_out_for_all_the_others(short: DatabaseSettings, between: proxy.TcpProxy) -> None:
    statements = SingleStatements(through(short, between.port), application="hidden")
    try:
        between.pause()
        await unavailable(statements.row("SELECT 1", {}))
        await asyncio.sleep(1.0)  # the pause after a failure, by the real clock
        asker = asyncio.create_task(unavailable(statements.row("SELECT 1", {})))
        await asyncio.sleep(0.1)  # the one that asks is waiting
        for _ in range(20):
            with pytest.raises(DatabaseUnavailable, match="another caller"):
                await statements.row("SELECT 1", {})
        assert not asker.done()
        await asker
    finally:
        await statements.close()


async def test_the_first_of_several_hosts_may_be_dead(short: DatabaseSettings, between: proxy.TcpProxy) -> None:
    between.pause()
    server = make_url(short.url.get_secret_value())
    hosts = server.set(host=None, port=None).update_query_dict(
        {"host": (f"127.0.0.1:{between.port}", f"127.0.0.1:{server.port}")}
    )
    settings = short.model_copy(update={"url": SecretStr(hosts.render_as_string(hide_password=False))})
    statements = SingleStatements(settings.model_copy(update={"connect_timeout": 4.0}), application="hidden")
    try:
        async with asyncio.timeout(LONGEST), opened(settings) as database:
            await database.ready()
            await statements.row("SELECT 1", {})
    finally:
        await statements.close()


async def test_connecting_ends(between: proxy.TcpProxy) -> None:
    between.pause()
    async with asyncio.timeout(LONGEST):
        with pytest.raises(psycopg.OperationalError):
            await connect(host="127.0.0.1", port=between.port, connect_timeout=CONNECT)


async def test_a_machine_that_acknowledges_nothing_is_noticed_by_the_kernel(short: DatabaseSettings) -> None:
    """With the defaults: within some ten seconds, whether something is under way or the connection is idle."""
    arguments = limits.server_address(short) | limits.connect_arguments(short, "hidden")
    async with await connect(**arguments) as session:
        with socket.socket(fileno=os.dup(session.fileno())) as found:
            options = (
                socket.TCP_USER_TIMEOUT,
                socket.TCP_KEEPIDLE,
                socket.TCP_KEEPINTVL,
                socket.TCP_KEEPCNT,
            )
            assert [found.getsockopt(socket.IPPROTO_TCP, option) for option in options] == [8000, 4, 2, 2]


# -- a server that answers ---------------------------------------------------------------------------------------------


async def test_statements_have_a_limit_that_can_be_asked_for(short: DatabaseSettings) -> None:
    sleep = text("SELECT pg_sleep(3.5)")
    async with opened(short) as database:
        with pytest.raises(DatabaseUnavailable, match="statement timeout"):
            async with database.transaction() as connection:
                await connection.execute(sleep)
        async with database.transaction(statement_seconds=60) as connection:
            await connection.execute(sleep)
        for _ in range(2):  # both connections of the pool
            with pytest.raises(DatabaseUnavailable, match="statement timeout"):
                async with database.transaction() as connection:
                    await connection.execute(sleep)


async def test_another_s_lock_is_waited_for_so_long(short: DatabaseSettings) -> None:
    lock = text("SELECT pg_advisory_xact_lock(7)")
    async with opened(short) as database, database.transaction() as holder:
        await holder.execute(lock)
        with pytest.raises(DatabaseUnavailable, match="lock timeout"):
            async with database.transaction() as connection:
                await connection.execute(lock)


async def test_a_server_that_reads_only_is_away_until_it_writes(short: DatabaseSettings, database: World) -> None:
    async def write(pool: Database) -> None:
        async with pool.transaction() as connection:
            await connection.execute(text("UPDATE display_sizes SET quality = quality"))

    name = sql.Identifier(database.name)
    async with (
        opened(short) as pool,
        await psycopg.AsyncConnection.connect(database.libpq_url, autocommit=True) as admin,
    ):
        await pool.writable()
        await admin.execute(sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = on").format(name))
        await _end_sessions(admin)
        with pytest.raises(DatabaseUnavailable, match="read-only"):
            await write(pool)
        with pytest.raises(DatabaseUnavailable, match="read-only"):
            await pool.writable()
        async with pool.transaction() as one, pool.transaction() as other:  # two sessions that will stay read-only
            await one.execute(text("SELECT 1"))
            await other.execute(text("SELECT 1"))
        await admin.execute(sql.SQL("ALTER DATABASE {} RESET default_transaction_read_only").format(name))
        with pytest.raises(DatabaseUnavailable, match="read-only"):
            await write(pool)
        await asyncio.gather(write(pool), write(pool), pool.writable())


async def test_a_terminated_session_is_replaced(short: DatabaseSettings, database: World) -> None:
    async with (
        opened(short) as pool,
        await psycopg.AsyncConnection.connect(database.libpq_url, autocommit=True) as admin,
    ):

        async def work() -> None:
            async with pool.transaction() as connection:
                await connection.execute(text("SELECT 1"))
                await _end_sessions(admin)
                await connection.execute(text("SELECT 1"))

        await unavailable(work())
        await pool.ready()


async def test_serialization_failures_can_be_tried_again(short: DatabaseSettings) -> None:
    change = text("UPDATE display_sizes SET quality = quality + 1 WHERE name = (SELECT min(name) FROM display_sizes)")

    async def overtaken(database: Database) -> None:
        async with database.transaction() as slow:
            await slow.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
            await slow.execute(text("SELECT 1 FROM display_sizes"))
            async with database.transaction() as fast:
                await fast.execute(change)
            await slow.execute(change)

    async with opened(short) as database:
        with pytest.raises(DatabaseUnavailable, match="could not serialize"):
            await overtaken(database)


async def test_deadlocks_can_be_tried_again(make_settings: Callable[..., Any]) -> None:
    async def lock(connection: AsyncConnection, key: int) -> None:
        await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})

    async def both(database: Database, meeting: asyncio.Barrier, first: int, second: int) -> None:
        async with database.transaction() as connection:
            await lock(connection, first)
            await meeting.wait()
            await lock(connection, second)

    meeting = asyncio.Barrier(2)
    async with opened(make_settings(ServiceSettings).database) as database:
        told = await asyncio.gather(
            both(database, meeting, 1, 2), both(database, meeting, 2, 1), return_exceptions=True
        )
    (failed,) = [each for each in told if each is not None]
    assert isinstance(failed, DatabaseUnavailable)
    assert "deadlock" in str(failed)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT 1 / 0",
        "INSERT INTO display_sizes (name) SELECT min(name) FROM display_sizes",
        "SELECT nothing FROM nowhere",
        "SELEC 1",
        "DO $$ BEGIN RAISE statement_too_complex; END $$",  # psycopg: OperationalError
    ],
)
async def test_errors_of_the_statement_pass_as_they_are(short: DatabaseSettings, statement: str) -> None:
    async with opened(short) as database:
        with pytest.raises(DBAPIError):
            async with database.transaction() as connection:
                await connection.execute(text(statement))


async def test_what_the_driver_refuses_passes_as_it_is(short: DatabaseSettings) -> None:
    """More parameters than the protocol has room for: psycopg's OperationalError, and the connection is not lost."""
    many = 65_536
    async with opened(short) as database:
        with pytest.raises(OperationalError):
            async with database.transaction() as connection:
                await connection.exec_driver_sql(f"SELECT 1 IN ({', '.join(['%s'] * many)})", tuple(range(many)))


async def _end_sessions(admin: psycopg.AsyncConnection[Any]) -> None:
    await admin.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
        "WHERE datname = current_database() AND application_name = 'hidden'"
    )
