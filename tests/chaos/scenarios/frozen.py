"""Fault test 5: a worker that was frozen for twice ``ack_wait`` comes back and must not overwrite newer output."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import psycopg
from tests.chaos.collect import keys_under
from tests.chaos.history import Picture
from tests.chaos.pictures import picture
from tests.chaos.world import World

NUMBER, TITLE = 5, "worker frozen"
ACK_WAIT = 3.0
ENVIRONMENT = {"HELIOGRAPH_NATS__ACK_WAIT": f"{ACK_WAIT:g}", "HELIOGRAPH_RENDER__SLOTS": "2"}

_STALE = "heliograph_message_duration_seconds_count"
_STATE = """
    SELECT render_fence, processing_status, updated_at, thumbnail_status,
           (SELECT jsonb_agg(r ORDER BY name) FROM renditions r WHERE image_id = images.id)
    FROM images WHERE sha256 = %s
"""


async def run(world: World, *, quick: bool) -> None:
    """First between the write to S3 and the commit, then at random moments under load."""
    for index in range(1 if quick else 3):
        await _between_write_and_commit(world, picture(index, world.rng, width=1600, height=1200))
    await _at_random(world, count=40 if quick else 160, freezes=2 if quick else 7)
    await world.settled()
    stale = 0.0
    for name in world.thumbnailers:
        stale += await world.metric(name, _STALE, outcome="stale")
    world.notes.append(f"{stale:.0f} stale writes were refused by the fence")
    world.require(stale > 0, "test", "no worker came back too late: nothing was shown")


async def _between_write_and_commit(world: World, shown: Picture) -> None:
    """S3 is frozen while the worker writes, then the worker; S3 goes on and keeps the objects that no row names yet."""
    first, second = world.rng.sample(world.thumbnailers, 2)
    faults = world.faults
    faults.freeze(second)
    try:
        await _until(lambda: _claimed(world, shown), world.sender.send(shown))
        faults.freeze("s3")
        await asyncio.sleep(1.0)  # the render goes on, its writes wait
        faults.freeze(first)
    finally:
        faults.thaw("s3")
    try:
        await asyncio.sleep(1.0)
        written = await asyncio.to_thread(keys_under, world.connection.s3, f"renditions/{shown.sha256}/")
        state = await _state(world, shown)
        world.say(f"{first} is frozen with {len(written)} objects written, row {state[1]}, thumbnails {state[3]}")
        world.require(state[1] == "processing", "test", "the commit was faster than the freeze")
        world.require(bool(written), "test", "the freeze was faster than the write")
        faults.thaw(second)
        began = time.monotonic()
        await asyncio.sleep(2 * ACK_WAIT)
        after = await _complete(world, shown)
        world.say(f"{second} had it complete after {time.monotonic() - began:.1f} s")
        world.require(after[1] == "complete", shown.name, f"nobody took over within {4 * ACK_WAIT:.0f} s")
        world.require(after[0] > state[0], shown.name, "it was completed under the fence of the frozen worker")
    finally:
        faults.thaw(first)
        faults.thaw(second)
    await asyncio.sleep(1.5)
    world.require(await _state(world, shown) == after, shown.name, "the stale worker changed the row or its renditions")


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
    deadline = time.monotonic() + 2 * ACK_WAIT
    while True:
        state = await _state(world, shown)
        if state[1] == "complete" or time.monotonic() > deadline:
            return state
        await asyncio.sleep(0.1)


async def _state(world: World, shown: Picture) -> Any:
    async with await psycopg.AsyncConnection.connect(world.connection.postgres, autocommit=True) as database:
        return await (await database.execute(_STATE, (shown.sha256,))).fetchone()
