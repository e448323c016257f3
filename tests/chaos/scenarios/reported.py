"""Fault test 4, for object writes: some succeed, and the store says that they failed, or says nothing."""

from __future__ import annotations

from tests.chaos.pictures import picture
from tests.chaos.s3_faults import Fault
from tests.chaos.world import World

NUMBER, TITLE = 4, "object writes reported as failed"
ENVIRONMENT = {"HELIOGRAPH_NATS__ACK_WAIT": "4"}
WORLD = {"s3_proxy": True}

_SHARE = 0.025


async def run(world: World, *, quick: bool) -> None:
    """One write in twenty."""
    put = frozenset({"PUT"})
    failed = world.s3_faults.add(Fault("", put, share=_SHARE, status=500, code="InternalError", performed=True))
    silent = world.s3_faults.add(Fault("", put, share=_SHARE, silent=True))
    before = world.pids()
    await world.sender.send_all((picture(index, world.rng) for index in range(60 if quick else 500)), twice=0.1)
    await world.settled()
    world.notes.append(f"{failed.hits} writes were reported as failed, {silent.hits} not at all")
    world.require(failed.hits > 0 and silent.hits > 0, "test", "no write was hit")
    world.require(world.pids() == before, "services", "some died of it")
