"""One suite over the buckets in PostgreSQL and their fake, and what only the real ones can show."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select, text

from heliograph_common.db.engine import Database
from heliograph_common.db.rate_limit_models import RateLimit
from heliograph_common.db.single import SingleStatements
from heliograph_common.errors import DatabaseUnavailable
from heliograph_common.ids import new_id
from heliograph_common.ratelimit.gcra import Limit
from heliograph_common.ratelimit.port import RateLimits
from heliograph_common.ratelimit.store import PostgresRateLimits
from heliograph_common.settings import ServiceSettings
from heliograph_common.testing.ratelimit import MemoryRateLimits

pytestmark = pytest.mark.backends(fake="limits")

SLOW = Limit(quota=1, window_seconds=100, burst=3)
FAST = Limit(quota=5, window_seconds=1, burst=2)


@pytest.fixture
def database_settings(make_settings: Callable[..., Any]) -> Any:
    return make_settings(ServiceSettings).database


@pytest.fixture
async def statements(database_settings: Any) -> AsyncIterator[SingleStatements]:
    statements = SingleStatements(database_settings, application="test")
    yield statements
    await statements.close()


@pytest.fixture
async def db(database_settings: Any) -> AsyncIterator[Database]:
    database = Database(database_settings, application="test")
    yield database
    await database.close()


@pytest.fixture
def real(statements: SingleStatements) -> PostgresRateLimits:
    return PostgresRateLimits(statements)


@pytest.fixture
def limits(request: pytest.FixtureRequest, backend: str) -> RateLimits:
    found: RateLimits = MemoryRateLimits() if backend == "fake" else request.getfixturevalue("real")
    return found


async def test_a_burst_then_refusals_with_the_wait(limits: RateLimits) -> None:
    told = [await limits.take("a", SLOW) for _ in range(5)]

    assert [each.allowed for each in told] == [True, True, True, False, False]
    assert [each.remaining for each in told] == [2, 1, 0, 0, 0]
    for each in told:
        assert timedelta(seconds=60) < each.wait <= timedelta(seconds=100)


async def test_time_fills_the_bucket(limits: RateLimits) -> None:
    while (refused := await limits.take("a", FAST)).allowed:
        pass
    assert timedelta() < refused.wait <= FAST.interval
    await asyncio.sleep(refused.wait.total_seconds())  # the database's clock cannot be moved

    assert (await limits.take("a", FAST)).allowed


async def test_buckets_are_told_apart(limits: RateLimits) -> None:
    while (await limits.take("a", SLOW)).allowed:
        pass

    assert (await limits.take("b", SLOW)).remaining == 2


async def test_many_at_once_get_no_more(limits: RateLimits) -> None:
    told = await asyncio.gather(*(limits.take("a", SLOW) for _ in range(40)))

    assert sorted(each.remaining for each in told if each.allowed) == [0, 1, 2]


async def test_full_buckets_are_forgotten(limits: RateLimits) -> None:
    await limits.take("slow", SLOW)
    for number in range(3):
        await limits.take(f"fast {number}", FAST)
    await asyncio.sleep(FAST.interval.total_seconds() * 1.5)  # the database's clock cannot be moved

    assert await limits.forget() == 3
    assert await limits.forget() == 0
    assert (await limits.take("slow", SLOW)).remaining == 1


async def test_while_nobody_knows_it_says_so(database_settings: Any) -> None:
    fake = MemoryRateLimits()
    fake.down = True
    nobody = database_settings.model_copy(
        update={"url": type(database_settings.url)("postgresql+psycopg://127.0.0.1:9/")}
    )
    away = PostgresRateLimits(SingleStatements(nobody, application="test"))
    limits: tuple[RateLimits, ...] = (fake, away)
    for each in limits:
        with pytest.raises(DatabaseUnavailable):
            await each.take("a", SLOW)
        with pytest.raises(DatabaseUnavailable):
            await each.forget()


# -- PostgreSQL's own --------------------------------------------------------------------------------------------------


async def test_replicas_share_a_bucket(database_settings: Any) -> None:
    fleet = [SingleStatements(database_settings, application=f"replica-{number}") for number in range(4)]
    replicas = [PostgresRateLimits(statements) for statements in fleet]
    limit = Limit(quota=1, window_seconds=1000, burst=50)
    try:
        told = await asyncio.gather(*(replicas[number % 4].take("a", limit) for number in range(120)))
    finally:
        for statements in fleet:
            await statements.close()

    assert sorted(each.remaining for each in told if each.allowed) == list(range(50))


async def test_refusals_are_remembered_until_they_are_over(real: PostgresRateLimits, db: Database) -> None:
    """A caller who does not stop costs the database nothing; and no longer than the database would refuse."""
    limit = Limit(quota=1, window_seconds=1, burst=1)
    while (refused := await real.take("a", limit)).allowed:
        pass
    before = await _touched(db, "a")
    told = [await real.take("a", limit) for _ in range(100)]
    assert await _touched(db, "a") == before
    assert not any(each.allowed for each in told)
    await asyncio.sleep(refused.wait.total_seconds())  # the database's clock cannot be moved
    assert (await real.take("a", limit)).allowed


async def test_a_dead_connection_costs_nothing(real: PostgresRateLimits, db: Database) -> None:
    assert (await real.take("a", SLOW)).allowed
    async with db.transaction() as connection:
        ended = await connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
        assert ended.scalars().all() == [True]

    assert (await real.take("a", SLOW)).remaining == 1


async def test_a_request_that_is_given_up_leaves_a_connection_that_works(
    real: PostgresRateLimits, db: Database
) -> None:
    await real.take("a", SLOW)
    async with db.transaction() as connection:
        await connection.execute(select(RateLimit).with_for_update())
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await real.take("a", SLOW)

    assert (await real.take("a", SLOW)).remaining == 1


async def test_a_server_that_does_not_answer_is_waited_for_once(database_settings: Any) -> None:
    """Not by each request in turn."""
    with socket.create_server(("127.0.0.1", 0), backlog=20) as silent:
        url = type(database_settings.url)(f"postgresql+psycopg://a@127.0.0.1:{silent.getsockname()[1]}/a")
        settings = database_settings.model_copy(update={"url": url, "connect_timeout": 2.0})
        limits = PostgresRateLimits(SingleStatements(settings, application="test"))
        began = time.monotonic()
        told = await asyncio.gather(*(limits.take("a", SLOW) for _ in range(15)), return_exceptions=True)

    assert {type(each) for each in told} == {DatabaseUnavailable}
    assert time.monotonic() - began < 20


async def test_many_full_buckets_are_forgotten_in_batches(real: PostgresRateLimits, db: Database) -> None:
    await real.take("slow", SLOW)
    rows = [{"key": str(new_id())} for _ in range(2_500)]
    async with db.transaction() as connection:
        await connection.execute(insert(RateLimit).values(full_at=text("now() - interval '1 s'")), rows)

    assert await real.forget() == 2_500
    async with db.transaction() as connection:
        assert (await connection.execute(select(RateLimit.key))).scalars().all() == ["slow"]


async def test_the_table_is_unlogged_and_updated_in_place(real: PostgresRateLimits, db: Database) -> None:
    limit = Limit(quota=1, window_seconds=1000, burst=1000)
    for _ in range(300):
        await real.take("a", limit)
    async with db.transaction() as connection:
        found = await connection.execute(
            text("SELECT relpersistence, reloptions, pg_relation_size(oid) FROM pg_class WHERE relname = 'rate_limits'")
        )
        persistence, options, size = found.one()

    assert (persistence, options) == ("u", ["fillfactor=50"])
    assert size <= 8 * 8192  # 300 versions of one row, whose dead ones are cleared away on the way


async def _touched(db: Database, key: str) -> tuple[str, str]:
    """Changes with every write and lock of the row."""
    async with db.transaction() as connection:
        found = await connection.execute(
            text("SELECT xmin::text, xmax::text FROM rate_limits WHERE key = :key"), {"key": key}
        )
        return tuple(found.one())
