"""Fault test 12: bursts over 25 workers of one slot each, all of them busy, with some urgent pictures among normal ones.

What a busy worker cannot take goes from hand to hand; that must cost no picture its attempts.
"""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress
from dataclasses import replace
from itertools import count

import psutil
import psycopg
from tests.chaos.history import Picture
from tests.chaos.pictures import picture
from tests.chaos.world import World

NUMBER, TITLE = 12, "bursts over 25 one-slot workers"
WORKERS = 25
ACK_WAIT = 3.0
ENVIRONMENT = {
    "CHAOS_WORKERS": str(WORKERS),
    "HELIOGRAPH_NATS__ACK_WAIT": f"{ACK_WAIT:g}",
    "HELIOGRAPH_RENDER__SLOTS": "1",
    "HELIOGRAPH_LIMITS__WAITING_BEFORE_LOW": "100000",
    "HELIOGRAPH_DATABASE__POOL_SIZE": "3",  # of 200 connections; a worker of one slot needs few
}
WORLD = {"thumbnailers": 1, "thumbnailer": "tests.chaos.thumbnailers"}

_IN_HAND = "SELECT count(*) FROM images WHERE processing_status = 'processing'"


async def run(world: World, *, quick: bool) -> None:
    """Each burst finds all workers busy: their renders stand still until it is there."""
    bursts, normal, high = (1, 75, 5) if quick else (4, 150, 10)
    numbers, before = count(), world.pids()
    workers = await _workers(world)
    for _ in range(bursts):
        await _burst(world, numbers, normal=normal, high=high)
    await world.settled()
    world.require(world.pids() == before, "services", "some died of it")
    world.require(await _workers(world) == workers, "thumbnailer", "workers died of it")


async def _burst(world: World, numbers: count[int], *, normal: int, high: int) -> None:
    def pictures(number: int, priority: str) -> list[Picture]:
        return [replace(picture(next(numbers), world.rng), priority=priority) for _ in range(number)]

    in_hand, waiting, urgent = pictures(WORKERS, "normal"), pictures(normal, "normal"), pictures(high, "high")
    renders = [child for worker in await _workers(world) for child in _renders(worker)]
    world.require(len(renders) == WORKERS, "test", f"{len(renders)} render processes, not {WORKERS}")
    _signal(renders, signal.SIGSTOP)
    try:
        await world.sender.send_all(in_hand)
        await _all_busy(world)
        await world.sender.send_all(waiting)
        await world.sender.send_all(urgent)
        await asyncio.sleep(2 * ACK_WAIT)
    finally:
        _signal(renders, signal.SIGCONT)
    world.kills += len(renders)
    world.say(f"{WORKERS} workers were busy while {normal} normal and {high} urgent pictures came")
    await world.settled()
    _judge_order(world, waiting, urgent)


def _judge_order(world: World, waiting: list[Picture], urgent: list[Picture]) -> None:
    """The last urgent picture is ready before half of the normal ones that waited longer."""
    history = world.history
    at = {event.subject: event.at for event in history.events if event.type == "image.ready"}

    def ready(pictures: list[Picture]) -> list[float]:
        return sorted(at.get(history.accepted[each.sha256][0], float("inf")) for each in pictures)

    last, normals = ready(urgent)[-1], ready(waiting)
    overtook = sum(moment < last for moment in normals)
    world.notes.append(f"{overtook} of {len(waiting)} normal pictures were ready before the last urgent one")
    world.require(
        overtook <= len(waiting) // 2, "urgent pictures", f"{overtook} of {len(waiting)} normal ones overtook"
    )


async def _all_busy(world: World) -> None:
    async with await psycopg.AsyncConnection.connect(world.connection.postgres, autocommit=True) as database:
        with suppress(TimeoutError):
            async with asyncio.timeout(30):
                while (row := await (await database.execute(_IN_HAND)).fetchone()) != (WORKERS,):
                    await asyncio.sleep(0.1)
                return
    world.fail("thumbnailer", f"only {row} of {WORKERS} workers took a picture within 30 s")


async def _workers(world: World) -> list[psutil.Process]:
    """The processes of all workers, once each has its render process."""
    parent = psutil.Process(world.faults.pid("thumbnailer"))
    with suppress(TimeoutError):
        async with asyncio.timeout(60):
            while len(found := [each for each in parent.children() if _renders(each)]) < WORKERS:
                await asyncio.sleep(0.2)
    return found


def _renders(worker: psutil.Process) -> list[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        return [child for zygote in worker.children() for child in zygote.children()]
    return []


def _signal(processes: list[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)
