"""Fault test 5: a worker that was frozen for twice ``ack_wait`` comes back and must not overwrite newer output."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import psutil
import psycopg
from tests.chaos.collect import keys_under
from tests.chaos.history import Picture
from tests.chaos.pictures import picture
from tests.chaos.world import World

NUMBER, TITLE = 5, "worker frozen"
ACK_WAIT = 3.0
ENVIRONMENT = {
    "HELIOGRAPH_NATS__ACK_WAIT": f"{ACK_WAIT:g}",
    "HELIOGRAPH_RENDER__SLOTS": "2",
    "HELIOGRAPH_DATABASE__IDLE_TRANSACTION": "2",
}

_TRIES = 16
_BLOCKED = """
    SELECT client_port FROM pg_stat_activity
    WHERE application_name = 'heliograph-thumbnailer' AND wait_event_type = 'Lock'
"""
_STALE = "heliograph_message_duration_seconds_count"
_STATE = """
    SELECT render_fence, processing_status, updated_at, thumbnail_status,
           (SELECT jsonb_agg(r ORDER BY name) FROM renditions r WHERE image_id = images.id)
    FROM images WHERE sha256 = %s
"""


async def run(world: World, *, quick: bool) -> None:
    """First between the write to S3 and the commit, then within the commit, then at random moments under load."""
    hits, wanted = 0, 1 if quick else 3
    for index in range(_TRIES):
        hits += await _between_write_and_commit(world, picture(index, world.rng, width=4000, height=3000))
        if hits == wanted:
            break
    world.require(hits == wanted, "test", f"only {hits} of {_TRIES} freezes came between write and commit")
    await _within_the_commit(world, picture(50, world.rng, width=2400, height=1800))
    await _at_random(world, count=40 if quick else 160, freezes=2 if quick else 7)
    await world.settled()
    stale = 0.0
    for name in world.thumbnailers:
        stale += await world.metric(name, _STALE, outcome="stale")
    world.notes.append(f"{stale:.0f} stale writes were refused by the fence")
    world.require(stale > 0, "test", "no worker came back too late: nothing was shown")


async def _between_write_and_commit(world: World, shown: Picture) -> bool:
    """S3 is frozen while the worker renders, then the worker that waits for its writes; S3 goes on and keeps the objects
    that no row names yet. ``False``: S3 was frozen too soon or too late for that; all else is judged all the same. Too late
    is after the thumbnails' commit, too: the last one is refused by the inbox, and nothing is left for the fence."""
    first, second = world.rng.sample(world.thumbnailers, 2)
    faults = world.faults
    faults.freeze(second)
    try:
        await _until(lambda: _claimed(world, shown), world.sender.send(shown))
        await asyncio.sleep(world.rng.uniform(0.0, 0.1))  # the original is fetched; it is not rendered yet, we hope
        faults.freeze("s3")
        await asyncio.sleep(1.0)  # the render goes on, its writes wait
        faults.freeze(first)
        world.kills += 1
    finally:
        faults.thaw("s3")
    try:
        await asyncio.sleep(1.0)
        written = await asyncio.to_thread(keys_under, world.connection.s3, f"renditions/{shown.sha256}/")
        state = await _state(world, shown)
        world.say(f"{first} is frozen with {len(written)} objects written, row {state[1]}, thumbnails {state[3]}")
        hit = state[1] == "processing" and state[3] != "complete" and bool(written)
        if state[1] == "complete":
            return False
        faults.thaw(second)
        after = await _taken_over(world, shown, second, fence=state[0])
    finally:
        faults.thaw(first)
        faults.thaw(second)
    await _unchanged(world, shown, after)
    return hit


async def _within_the_commit(world: World, shown: Picture) -> None:
    """A worker is frozen with a transaction open that has locked the row: waiting for the lock would mean waiting for
    the worker. The row is locked by us until the worker waits for it, so that it can be frozen right there."""
    postgres = world.connection.postgres
    await _until(lambda: _claimed(world, shown), world.sender.send(shown))
    async with await psycopg.AsyncConnection.connect(postgres) as ours:
        state = await (await ours.execute(f"{_STATE} FOR UPDATE", (shown.sha256,))).fetchone()
        assert state is not None
        world.require(state[1] == "processing", "test", "the lock was slower than the commit")
        name = await _waiting_worker(world)
        world.faults.freeze(name)
        world.kills += 1
    try:  # our lock is gone: the statement of the frozen worker goes through, its commit does not come
        other = next(each for each in world.thumbnailers if each != name)
        world.say(f"{name} is frozen within its transaction, row {state[1]}, thumbnails {state[3]}")
        after = await _taken_over(world, shown, other, fence=state[0])
    finally:
        world.faults.thaw(name)
    await _unchanged(world, shown, after)


async def _waiting_worker(world: World) -> str:
    """The thumbnailer whose connection to PostgreSQL waits for a lock."""
    async with (
        asyncio.timeout(30),
        await psycopg.AsyncConnection.connect(world.connection.postgres, autocommit=True) as database,
    ):
        while True:
            for (port,) in await (await database.execute(_BLOCKED)).fetchall():
                if name := connected_from(world, port):
                    return name
            await asyncio.sleep(0.02)


def connected_from(world: World, port: int) -> str | None:
    """The thumbnailer that has a connection from this port of its own."""
    for name in world.thumbnailers:
        sockets = psutil.Process(world.faults.pid(name)).net_connections("tcp")
        if any(each.laddr and each.laddr.port == port for each in sockets):
            return name
    return None


async def _taken_over(world: World, shown: Picture, by: str, *, fence: int) -> Any:
    """The row after twice ``ack_wait``; it has to be complete soon after that at the latest."""
    began = time.monotonic()
    after = await _complete(world, shown)
    world.say(f"{by} had it {after[1]} after {time.monotonic() - began:.1f} s")
    world.require(after[1] == "complete", shown.name, "nobody took over while the worker was frozen")
    world.require(after[0] > fence, shown.name, "it was completed under the fence of the frozen worker")
    await asyncio.sleep(max(0.0, began + 2 * ACK_WAIT - time.monotonic()))
    return after


async def _unchanged(world: World, shown: Picture, before: Any) -> None:
    await asyncio.sleep(1.5)
    world.require(
        await _state(world, shown) == before, shown.name, "the stale worker changed the row or its renditions"
    )


async def _at_random(world: World, *, count: int, freezes: int) -> None:
    """One worker after the other is frozen for twice ``ack_wait`` while both are busy."""
    pictures = [picture(100 + index, world.rng, width=1600, height=1200) for index in range(count)]
    sending = asyncio.create_task(world.sender.send_all(pictures))
    for number in range(freezes):
        await asyncio.sleep(world.rng.uniform(0.3, 1.0))
        name = world.rng.choice(world.thumbnailers)
        world.faults.freeze(name)
        world.kills += 1
        await asyncio.sleep(2 * ACK_WAIT)
        world.faults.thaw(name)
        world.say(f"froze {name} for {2 * ACK_WAIT:.0f} s ({number + 1} of {freezes})")
    await sending


async def _until(condition: Any, sending: Any) -> None:
    """Sends and returns as soon as the condition holds."""
    task = asyncio.create_task(sending)
    async with asyncio.timeout(30):
        while not await condition():
            await asyncio.sleep(0.005)
    await task


async def _claimed(world: World, shown: Picture) -> bool:
    state = await _state(world, shown)
    return state is not None and state[1] == "processing"


async def _complete(world: World, shown: Picture) -> Any:
    """The row once it is complete, or as it is when that has taken too long."""
    deadline = time.monotonic() + 10 * ACK_WAIT  # the machine may be slow; without a takeover it is never
    while True:
        state = await _state(world, shown)
        if state[1] == "complete" or time.monotonic() > deadline:
            return state
        await asyncio.sleep(0.1)


async def _state(world: World, shown: Picture) -> Any:
    async with await psycopg.AsyncConnection.connect(world.connection.postgres, autocommit=True) as database:
        return await (await database.execute(_STATE, (shown.sha256,))).fetchone()
