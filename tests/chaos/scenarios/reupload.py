"""Fault test 20: the same bytes are deleted and uploaded again over an S3 server whose deletions are slow and whose answers
to them get lost, while the collector is killed and frozen in the midst of them. Whatever is accepted keeps its objects."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from tests.chaos.history import Picture
from tests.chaos.pictures import picture
from tests.chaos.s3_faults import Fault
from tests.chaos.world import World

NUMBER, TITLE = 20, "deleted and uploaded again"
ENVIRONMENT = {
    "HELIOGRAPH_NATS__ACK_WAIT": "4",
    "HELIOGRAPH_DATABASE__IDLE_TRANSACTION": "2",
    "HELIOGRAPH_GATEWAY__COLLECT_AFTER_DAYS": "0.00002",
    "HELIOGRAPH_GATEWAY__COLLECT_SECONDS": "1",
}
WORLD = {"s3_proxy": True}

_SLOW = 5.0
_LOST = 0.3
_DELETE = frozenset({"DELETE"})
_COLLECTED = 15.0


async def run(world: World, *, quick: bool) -> None:
    """Each picture lives and dies some times in a lane of its own, and lives at last."""
    count, lives = (8, 2) if quick else (24, 5)
    made = [picture(index, world.rng) for index in range(count)]
    slow = [world.s3_faults.add(_slow(index, one)) for index, one in enumerate(made)]
    lost = world.s3_faults.add(Fault("", _DELETE, share=_LOST, silent=True))  # those that are slow are not among them
    harming = asyncio.create_task(_harm(world, slow))
    async with asyncio.TaskGroup() as lanes:
        for one, fault in zip(made, slow, strict=True):
            lanes.create_task(_live_and_die(world, one, fault, lives))
    harming.cancel()
    with suppress(asyncio.CancelledError):
        await harming
    await world.all_ready()
    hits = sum(fault.hits for fault in slow)
    world.say(f"{hits} slow deletions so far")
    await asyncio.sleep(2 * _SLOW)  # what is under way lands
    await world.settled()
    world.notes.append(f"{hits} slow deletions, {lost.hits} others without an answer")
    world.require(hits > 0, "test", "nothing was collected meanwhile")


def _slow(index: int, one: Picture) -> Fault:
    """Of one picture the deletion of the original is slow, of the next those of its renditions; some are repeated by a
    client that lost its patience with the first, and come later still."""
    if index % 2:
        return Fault(f"renditions/{one.sha256}/", _DELETE, delay=_SLOW / 2)
    return Fault(f"originals/{one.sha256}", _DELETE, delay=_SLOW, silent=index % 4 == 0)


async def _live_and_die(world: World, one: Picture, slow: Fault, lives: int) -> None:
    """It comes again right when its objects are being deleted."""
    for life in range(lives):
        await world.sender.send(one)
        if world.rng.random() < 0.8:
            await _ready(world, one)
        if life < lives - 1:
            hits = slow.hits
            for image_id in world.history.living(one.sha256):
                await world.sender.delete(image_id)
            with suppress(TimeoutError):
                async with asyncio.timeout(_COLLECTED):
                    while slow.hits == hits:
                        await asyncio.sleep(0.05)
            await asyncio.sleep(world.rng.uniform(0.0, 1.0))


async def _ready(world: World, one: Picture) -> None:
    """Waits until its present image is rendered, for some seconds."""
    with suppress(TimeoutError):
        async with asyncio.timeout(8):
            while True:
                ready = {event.subject for event in world.history.events if event.type == "image.ready"}
                if ready.issuperset(world.history.living(one.sha256)):
                    return
                await asyncio.sleep(0.1)


async def _harm(world: World, slow: list[Fault]) -> None:
    """Kills the collector, or freezes it until it has lost its locks, while a deletion is on its way."""
    seen, number = 0, 0
    while True:
        hits = sum(fault.hits for fault in slow)
        if hits > seen:
            await asyncio.sleep(world.rng.uniform(0.2, 2.0))  # some uploads come before that, and some after it
            number += 1
            if number % 3 == 0:
                world.say("freeze the collector")
                world.faults.freeze("gateway")
                world.kills += 1
                try:
                    await asyncio.sleep(_SLOW - 1)
                finally:
                    world.faults.thaw("gateway")
            elif world.kill("gateway"):
                world.say("kill the collector")
            await world.faults.wait_ready("gateway")
            await asyncio.sleep(2 * _SLOW)
            seen = sum(fault.hits for fault in slow)
        await asyncio.sleep(0.05)
