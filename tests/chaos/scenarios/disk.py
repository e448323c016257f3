"""Fault test 8: JetStream's disk is full for a while. Uploads are accepted into an outbox that waits, or refused with 503;
what is accepted is rendered all the same, and once there is disk again its events are told. Nothing is restarted."""

from __future__ import annotations

import asyncio
import time
from collections import Counter

from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.api import StreamConfig
from nats.js.errors import APIError
from tests.chaos.collect import jetstream, unfinished
from tests.chaos.pictures import picture
from tests.chaos.world import World

NUMBER, TITLE = 8, "JetStream's disk full"
_MIB = 1 << 20
ENVIRONMENT = {
    "HELIOGRAPH_NATS__ACK_WAIT": "4",
    "HELIOGRAPH_RENDER__PATIENCE": "2",
    "HELIOGRAPH_NATS__WORK_BYTES": str(8 * _MIB),
    "HELIOGRAPH_NATS__EVENTS_BYTES": str(16 * _MIB),
    "HELIOGRAPH_NATS__DEAD_BYTES": str(4 * _MIB),
}
WORLD = {"nats_max_file_store": 40 * _MIB}

_JUNK = "JUNK"
_BLOCKS = (512 * 1024, 16 * 1024, 1024, 1)
_FULL = {10023, 10047, 10077}  # insufficient resources, insufficient storage, maximum bytes exceeded
_RENDERED = 40.0
_RECOVERY = 60.0


async def run(world: World, *, quick: bool) -> None:
    """Pictures before the disk is full, while it is, and after."""
    count = 12 if quick else 60
    before = world.pids()
    made = [picture(index, world.rng) for index in range(3 * count)]
    await world.sender.send_all(made[:count])
    await world.settled()
    async with jetstream(world.connection) as stream:
        await _fill(world, stream)
        answered = len(world.history.answers)
        await world.sender.send_all(made[count : 2 * count], patience=6.0 if quick else 20.0)
        await _fill(world, stream)
        await _judge_answers(world, answered)
        await _rendered(world)
        await stream.delete_stream(_JUNK)
    world.say("there is disk again")
    began = time.monotonic()
    await world.sender.send_all(made[count:])
    await world.settled()
    seconds = time.monotonic() - began
    world.notes.append(f"all was done {seconds:.0f} s after there was disk again")
    world.require(seconds < _RECOVERY, "services", f"needed {seconds:.0f} s once there was disk again")
    world.require(world.pids() == before, "services", f"some died of it: {before} became {world.pids()}")


async def _fill(world: World, stream: JetStreamContext) -> None:
    """Until not even one byte more is taken."""
    try:
        await stream.stream_info(_JUNK)
    except NatsError:
        await stream.add_stream(StreamConfig(name=_JUNK, subjects=["junk"]))
    stored = 0
    for size in _BLOCKS:
        while await _stored(stream, size):
            stored += size
    world.say(f"{stored / _MIB:.1f} MiB of junk more: the disk is full")


async def _stored(stream: JetStreamContext, size: int) -> bool:
    try:
        await stream.publish("junk", b"x" * size)
    except APIError as error:
        if error.err_code not in _FULL:
            raise
        return False
    return True


async def _rendered(world: World) -> None:
    """Waits until all that was accepted is rendered; the disk is still full."""
    began = time.monotonic()
    while (images := (await unfinished(world.connection))[0]) and time.monotonic() - began < _RENDERED:
        await asyncio.sleep(0.3)
    world.notes.append(f"{images} images unfinished after {time.monotonic() - began:.0f} s of a full disk")
    world.require(not images, "thumbnailer", f"{images} images were not rendered while the disk was full")


async def _judge_answers(world: World, first: int) -> None:
    """While it was full: 201, or 503 that says when to come again; something must have been waiting."""
    answers = world.history.answers[first:]
    statuses = Counter(answer.status for answer in answers)
    world.notes.append(f"answers while it was full: {dict(statuses)}")
    world.require(not statuses.keys() - {200, 201, 503}, "gateway", f"answers {dict(statuses)} while it was full")
    for answer in answers:
        plain = answer.status != 503 or (answer.retry_after is not None and bool(answer.problem))
        world.require(plain, "gateway", f"a 503 without Retry-After or reason: {answer}")
    images, outbox, _, _ = await unfinished(world.connection)
    world.say(f"{statuses[201]} accepted while it was full: {images} images and {outbox} outbox rows wait")
    world.require(outbox > 0 or not statuses[201], "test", "nothing waits in the outbox: was the disk full?")
