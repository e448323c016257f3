"""Fault test 23: many words get pictures, while importers, NATS and PostgreSQL are killed at random; then the hour's budget
is nearly spent, and must be spent to the last request and no further."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx2
import psycopg
from sqlalchemy import TextClause, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool
from tests.chaos.checker import Finding
from tests.chaos.collect_words import collect, left, used
from tests.chaos.words import Asked, WordRun, within_the_hour, words_wrong
from tests.chaos.world import World

from heliograph_common.db.words import entries, queue
from heliograph_common.db.words.entries import Entry

NUMBER, TITLE = 23, "words with everything killed"
QUOTA = 100_000
"""Requests an hour: some 35 a second."""
ENVIRONMENT = {
    "HELIOGRAPH_NATS__ACK_WAIT": "4",
    "HELIOGRAPH_IMPORTER__PATIENCE": "3",
    "HELIOGRAPH_WORDS__REQUESTS_PER_HOUR": str(QUOTA),
    "HELIOGRAPH_WORDS__POPULATE_MINUTES": "0.02",
}
WORLD = {"importers": 2, "words": True}

_VICTIMS = ("importer-1", "importer-2", "importer-1", "importer-2", "nats", "postgres")
_EVERY = (0.3, 1.0)
_CALL_SECONDS = 0.15
_AT_ONCE, _AHEAD = 5, 1
_SCARCE_KILLS = 2
_STANDSTILL = 60.0
_LONGER = 1.5
"""Seconds in which a request too many would be made."""
_FILL = """
    INSERT INTO provider_requests (id, budget, at, task)
    SELECT gen_random_uuid(), 'unsplash', now(), 'search' FROM generate_series(1, :count)
"""
_AGE = "UPDATE provider_requests SET at = at - interval '1 hour' WHERE word_key IS NULL"
_DUE = "UPDATE word_queue SET not_before = not_before - interval '1 hour' WHERE not_before IS NOT NULL"


async def run(world: World, *, quick: bool) -> None:
    """Writes words and asks for some of them, in the course of so many kills, and waits until all have ended; then the same
    with few requests left in the hour."""
    count, least, rest, requests = (60, 6, 10, 8) if quick else (500, 40, 60, 45)
    words, scarce = _words(0, count), _words(count, rest)
    await _limit(world, QUOTA)
    await _double(world, "PUT", "faults", json=[{"kind": "slow", "seconds": _CALL_SECONDS, "times": -1}])
    async with _client(world) as client:
        populating = asyncio.create_task(client.populate_again_and_again())
        await asyncio.gather(_write(world, client, words, least), _kill(world, least))
        await _ended(world)
        await _spend_the_rest(world, client, scarce, requests)
        await _ended(world)
        populating.cancel()
        await asyncio.gather(populating, return_exceptions=True)
    await world.all_ready()
    await world.settled()
    await _judge(world, WordRun([*words, *scarce], QUOTA, world.kills))
    for violation in (await _double(world, "GET", "violations")).json():
        world.fail("provider", f"was asked or answered what it does not take: {violation}")


def _words(first: int, count: int) -> list[Asked]:
    """Most are found by their text, some by their translation only, and some not at all."""
    return [
        Asked(
            f"w{number}",
            f"nothing{number}" if number % 25 in {0, 1, 2} else f"word{number}",
            f"nichts-nothing{number}" if number % 25 == 0 else f"wort{number}",
        )
        for number in range(first, first + count)
    ]


async def _write(world: World, client: _Client, words: list[Asked], least: int) -> None:
    """Writes a few at a time, so that each kill meets some; clients wait for one in five."""
    for start in range(0, len(words), _AT_ONCE):
        while world.kills < least * start / len(words) - _AHEAD:
            await asyncio.sleep(0.05)
        await client.write(words[start : start + _AT_ONCE])
    world.say(f"{len(words)} words written, after {world.kills} kills")


async def _kill(world: World, least: int) -> None:
    killed: Counter[str] = Counter()
    while world.kills < least:
        await asyncio.sleep(world.rng.uniform(*_EVERY))
        name = world.rng.choice(_VICTIMS)
        if world.kill(name):
            killed[name] += 1
            world.say(f"killed {name} ({world.kills})")
    world.notes.append(", ".join(f"{each} {count}x" for each, count in sorted(killed.items())))
    await world.all_ready()


async def _ended(world: World) -> None:
    """Returns when nothing is left to do for any word, or nothing has moved for long; the rest is for the judge."""
    last, moved = (-1, -1, -1), time.monotonic()
    while time.monotonic() - moved < _STANDSTILL and any(last):
        with suppress(psycopg.OperationalError):
            if (now := await left(world.connection)) != last:
                last, moved = now, time.monotonic()
        await asyncio.sleep(0.2)
    queued, missing, untold = last
    world.say(f"{queued} words queued, {missing} without picture or miss, {untold} not downloaded")


async def _spend_the_rest(world: World, client: _Client, words: list[Asked], requests: int) -> None:
    """Leaves so few ``requests`` in the hour that they do not do for all words. They are spent to the last, whatever is
    killed, and no further; when the hour has passed, work goes on by itself."""
    before = await used(world.connection)
    await client.run(text(_FILL), {"count": QUOTA - requests - before})
    made = len((await _double(world, "GET", "calls")).json())
    await _limit(world, made + requests)
    await client.write(words)
    began, kills = time.monotonic(), 0
    while time.monotonic() - began < _STANDSTILL:
        with suppress(psycopg.OperationalError):
            if (spent := await used(world.connection)) >= QUOTA:
                break
            if kills < _SCARCE_KILLS and spent > QUOTA - requests + kills * requests // _SCARCE_KILLS:
                kills += world.kill(world.rng.choice(_VICTIMS))
        await asyncio.sleep(0.05)
    world.kill("importer-1")
    await world.all_ready()
    await asyncio.sleep(_LONGER)
    run = WordRun([], QUOTA)
    await collect(world.connection, run, world.photo_calls)
    more = len(run.calls) - made
    world.require(len(run.charges) == QUOTA, "budget", f"{len(run.charges)} of {QUOTA} requests of an hour are charged")
    world.require(more <= requests, "budget", f"{more} requests were made where {requests} were left")
    world.failures += [Finding(*found) for found in within_the_hour(run)]
    world.say(f"{more} of the last {requests} requests of the hour were made")
    await _limit(world, QUOTA)
    await client.run(text(_AGE), {})
    await client.run(text(_DUE), {})


async def _judge(world: World, run: WordRun) -> None:
    await collect(world.connection, run, world.photo_calls)
    world.failures += [Finding(*found) for found in words_wrong(run)]
    missed = sum(row.miss_code is not None for row in run.rows)
    world.notes.append(f"{len(run.rows)} words: {len(run.rows) - missed} with a picture, {missed} missed")
    world.notes.append(f"{len(run.calls)} requests, {run.again} charged again after kills")


class _Client:
    """What the gateway does for clients, as it would do it, until PostgreSQL lets it."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def write(self, words: list[Asked]) -> None:
        """Writes words, and asks for one in five."""
        bulk = {each.id: Entry(each.id, each.text, "en", each.translation) for each in words}

        async def written(connection: AsyncConnection) -> None:
            created = await entries.write(connection, bulk)
            for each in words[::5] if created.created else ():
                await queue.ask(connection, entries.key_of(each.id), "ann")

        await self._until_done(written)

    async def populate_again_and_again(self) -> None:
        """As users do who cannot wait."""
        while True:
            await self._until_done(lambda connection: queue.populate(connection, "all", days=7))
            await asyncio.sleep(0.5)

    async def run(self, statement: TextClause, values: dict[str, Any]) -> None:
        """One statement, which may be done twice."""
        await self._until_done(lambda connection: connection.execute(statement, values))

    async def _until_done(self, function: Callable[[AsyncConnection], Awaitable[object]]) -> None:
        while True:
            with suppress(DBAPIError, OSError):
                async with self._engine.begin() as connection:
                    await function(connection)
                return
            await asyncio.sleep(0.1)


@asynccontextmanager
async def _client(world: World) -> AsyncIterator[_Client]:
    url = world.connection.postgres.replace("postgresql://", "postgresql+psycopg://")
    engine = create_async_engine(url, poolclass=NullPool, connect_args={"connect_timeout": 5})
    try:
        yield _Client(engine)
    finally:
        await engine.dispose()


async def _limit(world: World, requests: int) -> None:
    await _double(world, "PUT", "limit", json={"requests_per_hour": requests})


async def _double(world: World, method: str, path: str, **more: Any) -> httpx2.Response:
    async with httpx2.AsyncClient(trust_env=False, timeout=10) as http:
        url = f"{world.stack.doubles_url}/unsplash/_double/{path}"
        return (await http.request(method, url, **more)).raise_for_status()
