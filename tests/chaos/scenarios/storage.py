"""Fault test 3: PostgreSQL and the S3 server are restarted, killed and kept away under load."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator

import httpx2
from tests.chaos.history import Picture
from tests.chaos.pictures import picture
from tests.chaos.world import World

NUMBER, TITLE = 3, "PostgreSQL and S3 restarted"
ENVIRONMENT = {"HELIOGRAPH_NATS__ACK_WAIT": "4"}

_AWAY = 4.0


async def run(world: World, *, quick: bool) -> None:
    """Each server in turn: restarted in order, killed, and kept down for some seconds."""
    rounds = 1 if quick else 3
    before, enough = world.pids(), asyncio.Event()

    def pictures() -> Iterator[Picture]:
        index = 0
        while not enough.is_set():
            yield picture(index, world.rng)
            index += 1

    sending = asyncio.create_task(world.sender.send_all(pictures(), twice=0.05, lanes=3))
    reading = asyncio.create_task(_read(world))
    refused: Counter[str] = Counter()
    await asyncio.sleep(2)
    for _ in range(rounds):
        for server in ("postgres", "s3"):
            for graceful in (False,) if quick else (True, False):
                seconds = await world.faults.restart(server, graceful=graceful)
                world.kills += 1
                world.say(f"{server} {'restarted' if graceful else 'killed'}, back after {seconds:.1f} s")
                await asyncio.sleep(world.rng.uniform(1.0, 2.0))
            refused[server] += await _keep_away(world, server)
            await asyncio.sleep(world.rng.uniform(1.0, 2.0))
    enough.set()
    await sending
    reads = reading.cancel() and await asyncio.gather(reading, return_exceptions=True)
    assert reads
    await world.settled()
    _judge_answers(world, refused)
    world.require(world.pids() == before, "services", f"some died of it: {before} became {world.pids()}")


async def _keep_away(world: World, server: str) -> int:
    """How many uploads were refused while ``server`` was down."""
    began = len(world.history.answers)
    await world.faults.take_down(server)
    world.kills += 1
    await asyncio.sleep(_AWAY)
    await world.faults.bring_up(server)
    answers = Counter(answer.status for answer in world.history.answers[began:])
    world.say(f"{server} was away for {_AWAY:.0f} s; answers to uploads: {dict(answers)}")
    return answers[503]


def _judge_answers(world: World, refused: Counter[str]) -> None:
    statuses = Counter(answer.status for answer in world.history.answers)
    for status in statuses.keys() - {200, 201, 503}:
        example = next(answer for answer in world.history.answers if answer.status == status)
        world.fail("gateway", f"{statuses[status]} uploads got {status or 'no answer'} ({example.problem})")
    for answer in world.history.answers:
        if answer.status == 503:
            said = answer.retry_after is not None and answer.retry_after.isdigit()
            world.require(said and bool(answer.problem), "gateway", f"a 503 without Retry-After or reason: {answer}")
    for server in ("postgres", "s3"):
        world.require(refused[server] > 0, "test", f"no upload met the absence of {server}")
    longest = max(answer.seconds for answer in world.history.answers)
    world.notes.append(f"{statuses[503]} uploads got 503; the longest answer took {longest:.1f} s")


async def _read(world: World) -> None:
    """Asks for images all the time: 200, or 503 with Retry-After, and nothing else."""
    headers = {"Authorization": f"Bearer {world.connection.token}"}
    async with httpx2.AsyncClient(base_url=world.connection.api or "", headers=headers, trust_env=False) as http:
        while True:
            response = await http.get("/v1/images", params={"limit": 5}, timeout=30)
            plain = response.status_code == 200
            sorry = response.status_code == 503 and "Retry-After" in response.headers
            world.require(plain or sorry, "gateway", f"a list was answered with {response.status_code}")
            await asyncio.sleep(0.2)
