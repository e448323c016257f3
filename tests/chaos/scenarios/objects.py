"""Fault test 17: a forbidden, an unreadable and a corrupt original among good ones. They fail with a reason and hold nobody
up, and can be retried once they are mended."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from contextlib import suppress

import httpx2
from tests.chaos.history import Picture
from tests.chaos.pictures import picture
from tests.chaos.s3_faults import Fault
from tests.chaos.world import World

NUMBER, TITLE = 17, "bad objects"
ENVIRONMENT = {
    "HELIOGRAPH_NATS__ACK_WAIT": "4",
    "HELIOGRAPH_RENDER__SLOTS": "1",
    "HELIOGRAPH_RENDER__MAX_ATTEMPTS": "2",
}
WORLD = {"s3_proxy": True}

_GOOD_WITHIN = 45.0
_BAD_WITHIN = 120.0
_READS = frozenset({"GET", "HEAD"})


async def run(world: World, *, quick: bool) -> None:
    """The bad ones first: there are more of them than slots."""
    count = 16 if quick else 120
    good = [picture(index, world.rng) for index in range(count)]
    bad = [picture(count + index, world.rng) for index in range(3 if quick else 9)]
    faults = [world.s3_faults.add(_fault(index, one)) for index, one in enumerate(bad)]
    before = world.pids()
    await world.sender.send_all(bad)
    began = time.monotonic()
    await world.sender.send_all(good)
    await _all_told(world, good, "image.ready", _GOOD_WITHIN, "was held up by bad ones")
    world.notes.append(f"{count} good pictures were ready {time.monotonic() - began:.0f} s after the bad ones came")
    await _all_told(world, bad, "image.failed", _BAD_WITHIN, "has a bad original and did not fail")
    hits = [fault.hits for fault in faults]
    world.notes.append(f"the bad ones failed within {time.monotonic() - began:.0f} s, after {hits} requests")
    await _judge_reasons(world, bad)
    for fault in faults:
        world.s3_faults.remove(fault)
    for one in bad:
        status = await world.sender.retry(world.history.accepted[one.sha256][0])
        world.require(status == 202, one.name, f"its retry was answered with {status}")
    await world.settled()
    world.require(world.pids() == before, "services", f"some died of it: {before} became {world.pids()}")


def _fault(index: int, one: Picture) -> Fault:
    """One of each in turn. What is corrupt is corrupt in all that is left of it: no reader may take it for the original."""
    key = f"originals/{one.sha256}"
    forbidden = Fault(key, _READS, status=403, code="AccessDenied")
    unreadable = Fault(key, frozenset({"GET"}), status=500, code="InternalError")
    corrupt = Fault(key, frozenset({"GET"}), flip=True)
    return (forbidden, unreadable, corrupt)[index % 3]


async def _all_told(world: World, pictures: Iterable[Picture], kind: str, seconds: float, what: str) -> None:
    """Waits for an event of each; ``what`` is said of those that have none after ``seconds``."""
    names = {world.history.accepted[one.sha256][0]: one.name for one in pictures}
    told: set[str] = set()
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while not names.keys() <= told:
                await asyncio.sleep(0.1)
                told = {event.subject for event in world.history.events if event.type == kind}
    for image_id in names.keys() - told:
        world.fail(names[image_id], f"{what} within {seconds:.0f} s")


async def _judge_reasons(world: World, bad: Iterable[Picture]) -> None:
    headers = {"Authorization": f"Bearer {world.connection.token}"}
    async with httpx2.AsyncClient(base_url=world.connection.api or "", headers=headers, trust_env=False) as http:
        for one in bad:
            shown = (await http.get(f"/v1/images/{world.history.accepted[one.sha256][0]}")).json()
            world.say(f"{one.name}: {shown.get('status')}, {shown.get('error')}")
            world.require(bool(shown.get("error")), one.name, f"failed without a reason: {shown.get('status')}")
