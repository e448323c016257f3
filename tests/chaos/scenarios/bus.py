"""Fault test 2: nats-server is killed in the midst of publishing; what it acknowledged is there afterwards."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

from nats.js import JetStreamContext
from nats.js.errors import NotFoundError
from tests.chaos.collect import jetstream
from tests.chaos.pictures import picture
from tests.chaos.world import World

NUMBER, TITLE = 2, "nats-server killed"
ENVIRONMENT = {"HELIOGRAPH_NATS__ACK_WAIT": "4"}

_LIMIT = 5.0
# Who publishes what: a reconnect is proven by the first event of this kind that NATS stores after it is back.
_PUBLISHES = {"gateway": "events.image.stored", "thumbnailer": "events.image.ready"}


async def run(world: World, *, quick: bool) -> None:
    """Kills the server at random moments of a flow of uploads that only ends after the last kill."""
    kills = 4 if quick else 20
    before, enough = world.pids(), asyncio.Event()

    def pictures() -> object:
        index = 0
        while not enough.is_set():
            yield picture(index, world.rng)
            index += 1

    sending = asyncio.create_task(world.sender.send_all(pictures(), twice=0.05, lanes=3))  # type: ignore[arg-type]
    longest = dict.fromkeys(_PUBLISHES, 0.0)
    for _ in range(kills):
        await asyncio.sleep(world.rng.uniform(0.3, 1.5))
        world.require(world.kill("nats"), "test", "nats had no process")
        for service, seconds in (await _back(world)).items():
            longest[service] = max(longest[service], seconds)
    enough.set()
    await sending
    await world.settled()
    for service, seconds in longest.items():
        world.notes.append(f"{service} publishes again after at most {seconds:.2f} s")
        world.require(seconds <= _LIMIT, service, f"published again only {seconds:.2f} s after nats was ready")
    world.require(world.pids() == before, "services", "some died of it")
    refused = sum(answer.status >= 300 or answer.status == 0 for answer in world.history.answers)
    world.require(refused == 0, "gateway", f"{refused} uploads were not accepted while nats was away")


async def _back(world: World) -> dict[str, float]:
    """Seconds from the server's readiness to the first event that each service published to it."""
    await world.faults.wait_ready("nats", restarts=world.kills)
    ready = time.monotonic()
    seconds: dict[str, float] = {}
    async with jetstream(world.connection) as stream:
        then = {service: await _last(stream, subject) for service, subject in _PUBLISHES.items()}
        while len(seconds) < len(_PUBLISHES) and time.monotonic() - ready < 4 * _LIMIT:
            for service, subject in _PUBLISHES.items():
                if service not in seconds and await _last(stream, subject) > then[service]:
                    seconds[service] = time.monotonic() - ready
            await asyncio.sleep(0.02)
    world.say(f"kill {world.kills}: " + ", ".join(f"{name} after {value:.2f} s" for name, value in seconds.items()))
    return {service: seconds.get(service, float("inf")) for service in _PUBLISHES}


async def _last(stream: JetStreamContext, subject: str) -> int:
    """The sequence of the newest message of a subject; 0 where there is none."""
    with suppress(NotFoundError):
        return (await stream.get_last_msg("EVENTS", subject)).seq or 0
    return 0
