"""Fault test 16: WORK and EVENTS are deleted under load. Both are made anew, WORK is refilled from the rows, and clients of
the socket are told that events are missing."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

from nats.errors import Error as NatsError
from tests.chaos.answers import Flow, judge_answers
from tests.chaos.collect import jetstream
from tests.chaos.scenarios.slow import freeze_renders
from tests.chaos.world import World

NUMBER, TITLE = 16, "WORK and EVENTS deleted"
ENVIRONMENT = {
    "HELIOGRAPH_NATS__ACK_WAIT": "4",
    "HELIOGRAPH_GATEWAY__RECONCILE_SECONDS": "2",
    "HELIOGRAPH_LIMITS__WAITING_BEFORE_LOW": "100000",
}

_WITHIN = 20.0
_ANEW = 30.0
_ANEW_AND_TOLD = 15.0


async def run(world: World, *, quick: bool) -> None:
    """Each is deleted with something in it, both at once at the end."""
    world.standstill = 60.0 if quick else 300.0
    world.history.expected_resets = frozenset({"other_epoch"})
    before, flow = world.pids(), Flow(world)
    rounds: list[tuple[str, ...]] = [("WORK",), ("EVENTS",), ("WORK", "EVENTS")]
    sending = asyncio.create_task(flow.send(pause=0.1))
    for names in [rounds[-1]] if quick else rounds * 2:
        await asyncio.sleep(2)
        await _delete(world, names)
    await asyncio.sleep(1 if quick else 5)
    flow.stop()
    await sending
    await world.settled()
    judge_answers(world, within=_WITHIN)
    world.require(world.pids() == before, "services", f"some died of it: {before} became {world.pids()}")


async def _delete(world: World, names: tuple[str, ...]) -> None:
    """With commands waiting, because nothing is rendered for a moment."""
    async with jetstream(world.connection) as stream:
        with freeze_renders(world):
            await asyncio.sleep(1.5)
            waiting = (await stream.stream_info("WORK")).state.messages
            resets = len(world.history.resets)
            for name in names:
                await stream.delete_stream(name)
        world.kills += len(names)
        world.say(f"deleted {' and '.join(names)}; {waiting} commands were waiting")
        world.require(waiting > 0, "test", "no command was waiting")
    began = time.monotonic()
    for name in names:
        seconds = await _anew(world, name, began)
        world.notes.append(f"{name} was there again after {seconds:.1f} s")
        world.require(seconds < _ANEW, name, f"was not made anew within {_ANEW:.0f} s")
    if "EVENTS" in names:
        began = time.monotonic()
        while len(world.history.resets) < resets + 2 and time.monotonic() - began < _ANEW_AND_TOLD:
            await asyncio.sleep(0.1)
        told = len(world.history.resets) - resets
        world.require(told >= 2, "socket", f"{told} of 2 clients were told of the loss: {world.history.resets}")


async def _anew(world: World, name: str, began: float) -> float:
    """Seconds until there is such a stream again; infinity when that takes too long."""
    while time.monotonic() - began < _ANEW:
        with suppress(NatsError, OSError, TimeoutError):
            async with jetstream(world.connection) as stream:
                await stream.stream_info(name)
                return time.monotonic() - began
        await asyncio.sleep(0.2)
    return float("inf")
