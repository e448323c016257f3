"""Fault test 1: each kind of worker is killed, many times, while pictures come in."""

from __future__ import annotations

import asyncio

from tests.chaos.pictures import picture
from tests.chaos.world import World

NUMBER, TITLE = 1, "workers killed"
ENVIRONMENT = {"HELIOGRAPH_NATS__ACK_WAIT": "4"}


async def run(world: World, *, quick: bool) -> None:
    """Kills a random service every second or two until all is sent, and each kind often enough."""
    count, least = (100, 8) if quick else (1000, 40)
    pictures = (picture(index, world.rng) for index in range(count))
    killer = asyncio.create_task(_kill(world, least))
    await world.sender.send_all(pictures, twice=0.05)
    world.say(f"all {count} accepted after {world.kills} kills")
    await killer
    await world.all_ready()
    await world.settled()
    world.require(world.kills >= least, "test", f"only {world.kills} kills")


async def _kill(world: World, least: int) -> None:
    """Prefers whoever was killed least among those that are up; one time in eight whoever is only just starting."""
    killed = dict.fromkeys(world.replicas, 0)
    while world.kills < least or not world.all_answered:
        await asyncio.sleep(world.rng.uniform(0.8, 2.0))
        starting = world.rng.random() < 1 / 8
        names = [name for name in killed if (world.state(name) == "ready") != starting]
        if not names:
            continue
        name = min(names, key=lambda each: (killed[each], world.rng.random()))
        if world.kill(name):
            killed[name] += 1
            world.say(f"killed {name} ({world.kills}), {len(world.history.accepted)} accepted")
    world.notes.append(", ".join(f"{name} {count}x" for name, count in killed.items()))
    world.require(min(killed.values()) >= least // 8, "test", f"some service was hardly killed: {killed}")
