"""Fault test 19: pictures are uploaded and deleted while those who tell of it are frozen and killed, and NATS too, so that
sweepers tell late what was left behind. Whoever follows the revisions sees each image's life in order, and nothing after
its end."""

from __future__ import annotations

import asyncio
from typing import Any

import psycopg
from psycopg.sql import SQL, Literal
from tests.chaos.history import Picture
from tests.chaos.pictures import picture
from tests.chaos.scenarios.frozen import connected_from
from tests.chaos.world import World

NUMBER, TITLE = 19, "order of events"
ENVIRONMENT = {"HELIOGRAPH_NATS__ACK_WAIT": "4", "HELIOGRAPH_DATABASE__IDLE_TRANSACTION": "2"}

_STRANDED = ("events.image.thumbnails_ready", "events.image.ready")
_SLOW_COMMIT = (
    (
        "CREATE FUNCTION chaos_slow_commit() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN PERFORM pg_sleep(1); RETURN NULL; END $$"
    ),
    (
        "CREATE CONSTRAINT TRIGGER chaos_slow_commit AFTER INSERT ON outbox DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW WHEN (NEW.subject = {subject}) EXECUTE FUNCTION chaos_slow_commit()"
    ),
)
_AS_BEFORE = ("DROP TRIGGER chaos_slow_commit ON outbox", "DROP FUNCTION chaos_slow_commit()")
_COMMITTING = """
    SELECT client_port FROM pg_stat_activity
    WHERE application_name = 'heliograph-thumbnailer' AND wait_event = 'PgSleep'
"""
_LEFT = "SELECT count(*) FROM outbox WHERE subject = %s"
_DELETED = 0.5
_DISTURBED = (("thumbnailer", False), ("nats", True), ("gateway", True), ("thumbnailer", True), ("gateway", False))
_FROZEN = 3.0  # longer than a service's own rows are left to it


async def run(world: World, *, quick: bool) -> None:
    """Disturbs for as long as pictures come, and half of them go again."""
    rounds, lanes = (3, 4) if quick else (30, 6)
    for number in range(2 if quick else 8):
        await _strand(world, picture(1_000_000 + number, world.rng), _STRANDED[number % len(_STRANDED)])
    enough = asyncio.Event()
    made = (picture(index, world.rng) for index in range(1_000_000))
    async with asyncio.TaskGroup() as flow:
        for _ in range(lanes):
            flow.create_task(_lane(world, made, enough))
        for number in range(rounds):
            await asyncio.sleep(world.rng.uniform(0.5, 1.5))
            kind, kill = _DISTURBED[number % len(_DISTURBED)]
            await _disturb(world, world.rng.choice(world.thumbnailers) if kind == "thumbnailer" else kind, kill=kill)
        enough.set()
    await world.all_ready()
    await world.settled()
    revised = sum(event.revision > 0 for event in world.history.events)
    told, deleted = len(world.history.events), len(world.history.deleted)
    world.notes.append(f"{told} events, {revised} with a revision; {deleted} images deleted")
    world.require(deleted > 0, "test", "nothing was deleted")


async def _strand(world: World, one: Picture, subject: str) -> None:
    """A thumbnailer is frozen when it has committed an event and not published it yet; the image is deleted at once, and
    someone else publishes the event after that."""
    async with await psycopg.AsyncConnection.connect(world.connection.postgres, autocommit=True) as database:
        for statement in _SLOW_COMMIT:
            await database.execute(SQL(statement).format(subject=Literal(subject)))
        try:
            await world.sender.send(one)
            name = await _committing(world, database)
            world.faults.freeze(name)
        finally:
            for statement in _AS_BEFORE:
                await database.execute(SQL(statement))
        world.kills += 1
        try:
            world.say(f"{name} is frozen with {subject} committed")
            await _delete(world, one)
            async with asyncio.timeout(30):
                while await _left(database, subject):
                    await asyncio.sleep(0.1)
        finally:
            world.faults.thaw(name)


async def _committing(world: World, database: psycopg.AsyncConnection[Any]) -> str:
    """The thumbnailer whose commit is slow."""
    async with asyncio.timeout(30):
        while True:
            for (port,) in await (await database.execute(_COMMITTING)).fetchall():
                if name := connected_from(world, port):
                    return name
            await asyncio.sleep(0.02)


async def _left(database: psycopg.AsyncConnection[Any], subject: str) -> bool:
    row = await (await database.execute(_LEFT, (subject,))).fetchone()
    return row is not None and row[0] > 0


async def _lane(world: World, made: object, enough: asyncio.Event) -> None:
    for one in made:  # type: ignore[attr-defined]
        if enough.is_set():
            return
        await world.sender.send(one)
        if world.rng.random() < _DELETED:
            await asyncio.sleep(world.rng.uniform(0.0, 1.0))
            await _delete(world, one)


async def _delete(world: World, one: Picture) -> None:
    for image_id in world.history.living(one.sha256):
        await world.sender.delete(image_id)


async def _disturb(world: World, name: str, *, kill: bool) -> None:
    if kill:
        world.say(f"kill {name}")
        world.kill(name)
        await world.faults.wait_ready(name)
        return
    world.say(f"freeze {name} for {_FROZEN:.0f} s")
    world.faults.freeze(name)
    world.kills += 1
    try:
        await asyncio.sleep(_FROZEN)
    finally:
        world.faults.thaw(name)
