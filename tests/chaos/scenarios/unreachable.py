"""Fault test 14: PostgreSQL, NATS and S3, one after the other, cannot be reached, and nobody says so: no reset, no refusal.

Once by a proxy that stops forwarding, and, where this machine allows a network of our own, once by dropped packets.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from contextlib import suppress

import httpx2
from tests.chaos.answers import Flow, judge_answers
from tests.chaos.network import SERVERS, dropped, isolated, stalled
from tests.chaos.world import World

NUMBER, TITLE = 14, "servers unreachable without a reset"
ISOLATED = True
WORLD = {"proxied": True, "patience": 90.0}
ENVIRONMENT = {"HELIOGRAPH_NATS__ACK_WAIT": "4"}

_WITHIN, _WITHIN_QUICK = 30.0, 18.0
"""Seconds to an answer; the quick one is below the time of an outage, or it would find nothing."""


async def run(world: World, *, quick: bool) -> None:
    """Uploads and reads go on all the while, in several lanes, so that one that hangs holds up only its own."""
    seconds, within = (20.0, _WITHIN_QUICK) if quick else (60.0, _WITHIN)
    world.standstill = 60.0 if quick else 300.0
    before, flow = world.pids(), Flow(world)
    sending = asyncio.create_task(flow.send(lanes=4, pause=0.5))
    reading = [asyncio.create_task(_read(world, path, within)) for path in ("/v1/images?limit=5", "/v1/queue")]
    for index, server in enumerate(SERVERS):
        forms = (stalled, dropped) if isolated() else (stalled,)
        for form in forms if not quick else (forms[index % len(forms)],):
            await asyncio.sleep(2)
            began = len(world.history.answers)
            async with form(world.stack, server):
                await asyncio.sleep(seconds)
            world.kills += 1
            answers = Counter(answer.status for answer in world.history.answers[began:])
            world.say(f"{server} {form.__name__} for {seconds:.0f} s; answers to uploads: {dict(answers)}")
            await _recovered(world)
    flow.stop()
    await sending
    for task in reading:
        task.cancel()
    await asyncio.gather(*reading, return_exceptions=True)
    await world.settled()
    if not isolated():
        world.notes.append("without dropped packets: this machine allows no network of our own")
    judge_answers(world, within=within)
    world.require(world.pids() == before, "services", f"some died of it: {before} became {world.pids()}")


async def _recovered(world: World) -> None:
    """Waits until an upload that was begun by now is accepted: outages one at a time."""
    since, began = asyncio.get_running_loop().time(), len(world.history.answers)
    with suppress(TimeoutError):
        async with asyncio.timeout(_WITHIN):
            while not any(each.at > since and each.status == 201 for each in world.history.answers[began:]):
                await asyncio.sleep(0.1)
            return
    world.fail("gateway", f"accepted nothing within {_WITHIN:.0f} s after the outage")


async def _read(world: World, path: str, within: float) -> None:
    """Asks all the time: 200, or 503 with Retry-After, in bounded time."""
    headers = {"Authorization": f"Bearer {world.connection.token}"}
    async with httpx2.AsyncClient(base_url=world.connection.api or "", headers=headers, trust_env=False) as http:
        while True:
            began = time.monotonic()
            try:
                response = await http.get(path, timeout=90)
                status, told = response.status_code, "Retry-After" in response.headers
            except httpx2.HTTPError as error:
                world.fail("gateway", f"GET {path}: {error!r}")
                continue
            seconds = time.monotonic() - began
            if status != 200 and not (status == 503 and told):
                world.fail("gateway", f"GET {path} was answered with {status}")
            if seconds > within:
                world.fail("gateway", f"GET {path} was answered only after {seconds:.1f} s")
            await asyncio.sleep(0.2)
