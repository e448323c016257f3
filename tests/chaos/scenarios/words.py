"""Fault test 23: many words get pictures, while importers, NATS and PostgreSQL are killed at random; then the hour's budget
is nearly spent, and must be spent to the last request and no further."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx2
import psycopg
from tests.chaos.checker import Finding
from tests.chaos.collect_words import collect, left, used
from tests.chaos.words import Asked, WordRun, within_the_hour, words_wrong
from tests.chaos.world import World

from heliograph_local.doubles.records import recorded
from heliograph_local.doubles.unsplash import Call

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
_AIM_SECONDS = 4.0
_AT_ONCE, _AHEAD = 5, 1
_GOOD = {200, 202, 404}
"""404: the word was missed already."""
_SCARCE_KILLS = 2
_STANDSTILL = 60.0
_LONGER = 1.5
"""Seconds in which a request too many would be made."""
_FILL = """
    INSERT INTO provider_requests (id, budget, at, task)
    SELECT gen_random_uuid(), 'unsplash', now(), 'search' FROM generate_series(1, %s)
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
    """Kills each in turn, in any order, when it has come up again and a request is under way."""
    killed: Counter[str] = Counter()
    left: list[str] = []
    while world.kills < least:
        left = left or world.rng.sample(_VICTIMS, len(_VICTIMS))
        name = left.pop()
        await world.faults.wait_ready(name)
        await asyncio.sleep(world.rng.uniform(*_EVERY))
        await _request_under_way(world)
        if world.kill(name):
            killed[name] += 1
            world.say(f"killed {name} ({world.kills})")
    world.notes.append(", ".join(f"{each} {count}x" for each, count in sorted(killed.items())))
    await world.all_ready()


async def _request_under_way(world: World) -> None:
    """Returns when the provider has not answered a request yet, or after a while without any."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_AIM_SECONDS):
            while all(call.status for call in recorded(world.photo_calls, Call)):
                await asyncio.sleep(0.02)


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
    await _run(world, _FILL, QUOTA - requests - before)
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
    await _run(world, _AGE)
    await _run(world, _DUE)


async def _judge(world: World, run: WordRun) -> None:
    await collect(world.connection, run, world.photo_calls)
    world.failures += [Finding(*found) for found in words_wrong(run)]
    missed = sum(row.miss_code is not None for row in run.rows)
    world.notes.append(f"{len(run.rows)} words: {len(run.rows) - missed} with a picture, {missed} missed")
    world.notes.append(f"{len(run.calls)} requests, {run.again} charged again after kills")


class _Client:
    """A client of the gateway, which asks until it is answered: PostgreSQL is killed under it."""

    def __init__(self, http: httpx2.AsyncClient) -> None:
        self._http = http

    async def write(self, words: list[Asked]) -> None:
        """Writes words, and asks for the picture of one in five."""
        body = [{"id": each.id, "text": each.text, "language": "en", "translation": each.translation} for each in words]
        await self._answer("PUT", "/v1/words", json={"words": body})
        for each in words[::5]:
            await self._answer("GET", f"/v1/words/{each.id}/image")

    async def populate_again_and_again(self) -> None:
        """As users do who cannot wait."""
        while True:
            await self._answer("POST", "/v1/words/sync", json={})
            await asyncio.sleep(0.5)

    async def _answer(self, method: str, path: str, **more: Any) -> None:
        while True:
            with suppress(httpx2.HTTPError):
                answer = await self._http.request(method, path, **more)
                if answer.status_code < 500:
                    break
            await asyncio.sleep(0.1)
        if answer.status_code not in _GOOD:
            raise AssertionError(f"{method} {path}: {answer.status_code} {answer.text[:200]}")


@asynccontextmanager
async def _client(world: World) -> AsyncIterator[_Client]:
    headers = {"Authorization": f"Bearer {world.connection.token}"}
    url = world.connection.api or ""
    async with httpx2.AsyncClient(base_url=url, headers=headers, timeout=20, trust_env=False) as http:
        yield _Client(http)


async def _run(world: World, statement: str, *values: int) -> None:
    async with await psycopg.AsyncConnection.connect(world.connection.postgres, autocommit=True) as database:
        await database.execute(statement, values)


async def _limit(world: World, requests: int) -> None:
    await _double(world, "PUT", "limit", json={"requests_per_hour": requests})


async def _double(world: World, method: str, path: str, **more: Any) -> httpx2.Response:
    async with httpx2.AsyncClient(trust_env=False, timeout=10) as http:
        url = f"{world.stack.doubles_url}/unsplash/_double/{path}"
        return (await http.request(method, url, **more)).raise_for_status()
