"""Fault test 22: analyses of many pictures, while analyzers, servers, the gateway and the model are killed in turn."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import httpx2
from tests.chaos.bills import charges, unknown
from tests.chaos.client import Sender
from tests.chaos.evidence import Evidence
from tests.chaos.history import Picture
from tests.chaos.pictures import named, picture
from tests.chaos.world import World

from heliograph_local.connection import Connection
from heliograph_local.doubles.openai.calls import Call
from heliograph_local.doubles.records import recorded

NUMBER, TITLE = 22, "analyses with everything killed"
ENVIRONMENT = {
    "HELIOGRAPH_NATS__ACK_WAIT": "4",
    "HELIOGRAPH_ANALYZER__PATIENCE": "3",
    "HELIOGRAPH_ANALYZER__SLOTS": "2",
}
WORLD = {"analyzers": 2, "owners": 3}

_PROFILE = "describe"
_CALL_SECONDS = 0.3
_VICTIMS = ("analyzer-1", "postgres", "analyzer-2", "nats", "analyzer-1", "doubles", "analyzer-2", "gateway")
_ENDS_CALLS = ("analyzer", "postgres", "doubles")
_EVERY = (0.4, 1.2)
_AIM_SECONDS = 8.0
_ENDED_WITHIN = 300.0
_AT_ONCE = 4
_AHEAD = 2

Client = tuple[Connection, Sender]


async def run(world: World, *, quick: bool) -> None:
    """Uploads, half of them with the wish for an analysis; the others are asked for by their image. One process after
    another is killed until all have been asked for, and as long as it takes for enough kills."""
    count, different, least = (60, 36, 12) if quick else (200, 120, 48)
    world.told_of = _shown
    world.standstill = _ENDED_WITHIN
    clients: list[Client] = [(world.connection, world.sender), *world.others]
    await _slow_down(world)
    asking = asyncio.create_task(_ask(world, clients, list(_pictures(world.rng, count, different)), least))
    killer = asyncio.create_task(_kill(world, least, asking))
    await asyncio.gather(asking, killer)
    last = time.monotonic()
    await world.all_ready()
    await world.settled()
    seconds = time.monotonic() - last
    world.notes.append(f"{seconds:.0f} s after the last kill all had ended")
    world.require(seconds < _ENDED_WITHIN, "test", f"not all analyses had ended {seconds:.0f} s after the last kill")
    await _held_to_the_schema(world)


def _pictures(rng: random.Random, count: int, different: int) -> Iterator[Picture]:
    """So many files of fewer different pictures: some differ in a comment only."""
    originals = [picture(index, rng) for index in range(different)]
    for index in range(count):
        original = originals[index * different // count]  # equal ones come together, from several owners
        comment = f"copy {index}".encode()
        segment = b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment
        data = original.data[:2] + segment + original.data[2:]
        shown = {"width": original.width, "height": original.height, "colour": original.colour}
        yield named(f"{original.name}-{index}.jpg", data, **shown)


async def _ask(world: World, clients: list[Client], pictures: list[Picture], least: int) -> None:
    """Asks for all of them, in the course of so many kills."""
    left, told = iter(list(enumerate(pictures))), 0

    async def lane() -> None:
        nonlocal told
        for index, each in left:
            while world.kills < least * index / len(pictures) - _AHEAD:  # so that each kill meets some
                await asyncio.sleep(0.05)
            connection, sender = clients[index % len(clients)]
            if index % 2:
                await sender.send(each)
                await _analyze(world, connection, world.history.accepted[each.sha256][0])
            else:
                await sender.send(replace(each, profile=_PROFILE))
            told += 1
            if told % 20 == 0:
                world.say(f"{told} of {len(pictures)} analyses asked for, after {world.kills} kills")

    await asyncio.gather(*(lane() for _ in range(_AT_ONCE)))


async def _analyze(world: World, connection: Connection, image_id: str) -> None:
    """Asks until the gateway has taken it."""
    headers = {"Authorization": f"Bearer {connection.token}"}
    body = {"image_id": image_id, "profile": _PROFILE}
    async with httpx2.AsyncClient(base_url=connection.api or "", headers=headers, trust_env=False) as http:
        while True:
            with suppress(httpx2.HTTPError):
                answer = await http.post("/v1/analyses", json=body, timeout=20)
                if answer.status_code in {200, 202}:
                    break
                if answer.status_code < 500 and answer.status_code != 429:
                    world.fail(image_id, f"its analysis was refused: {answer.status_code} {answer.text[:200]}")
                    break
            await asyncio.sleep(0.3)
    world.history.analyses.add(image_id)
    world.history.harmed.add(image_id)  # a model is shown a rendition that it does not have


async def _kill(world: World, least: int, asking: asyncio.Task[None]) -> None:
    """Goes on until all is asked for, and for long enough. What makes or keeps calls is killed while one is in flight."""
    killed, flights = Counter[str](), _Flights(world)
    slowing: set[asyncio.Task[None]] = set()
    for name in itertools.cycle(_VICTIMS):
        if world.kills >= least and asking.done():
            break
        await asyncio.sleep(world.rng.uniform(*_EVERY))
        flying = name.startswith(_ENDS_CALLS) and await flights.one()
        if flying:  # which may have become an answer by now
            await asyncio.sleep(world.rng.uniform(0, 1.5 * _CALL_SECONDS))
        if world.kill(name):
            killed[name] += 1
            world.say(f"killed {name} ({world.kills}){' at a call' if flying else ''}")
        if name == "doubles":
            slowing.add(asyncio.create_task(_slow_down(world)))
    await asyncio.gather(*slowing)
    world.notes.append(", ".join(f"{each} {count}x" for each, count in killed.items()))
    world.require(world.kills >= least, "test", f"only {world.kills} kills")


class _Flights:
    """Tells when the model is being asked. Calls that a kill has ended stay unfinished in its record: each counts once."""

    def __init__(self, world: World) -> None:
        assert world.model_calls is not None
        self._calls = world.model_calls
        self._seen: set[str] = set()

    async def one(self) -> bool:
        """Returns once a call is in flight that was not when it was asked last, or after a while without any."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_AIM_SECONDS):
                while True:
                    now = {call.id for call in recorded(self._calls, Call) if call.charged and not call.finished}
                    if now - self._seen:
                        self._seen |= now
                        return True
                    await asyncio.sleep(0.03)
        return False


async def _slow_down(world: World) -> None:
    """Has the model take its time, once it is there again."""
    faults = [{"kind": "slow", "seconds": _CALL_SECONDS, "times": -1}]
    await _double(world, "PUT", "faults", json=faults)


async def _held_to_the_schema(world: World) -> None:
    for violation in (await _double(world, "GET", "violations")).json():
        world.fail("model", f"was asked or answered what it does not take: {violation}")


async def _double(world: World, method: str, path: str, **more: Any) -> httpx2.Response:
    async with httpx2.AsyncClient(trust_env=False) as http, asyncio.timeout(60):
        while True:
            with suppress(httpx2.HTTPError):
                url = f"{world.stack.doubles_url}/openai/_double/{path}"
                return (await http.request(method, url, timeout=5, **more)).raise_for_status()
            await asyncio.sleep(0.2)


def _shown(evidence: Evidence) -> list[str]:
    """The counts of the run."""
    bill, lost = evidence.bill, unknown(evidence.bill)
    paid = charges(bill)
    states = Counter(row.status for row in evidence.analyses)
    unfinished = sum(not charge.finished for charge in bill.charges if charge.tokens)
    return [
        f"{len(evidence.analyses)} analyses of {len({*bill.pixels.values()})} pictures: {dict(states)}",
        f"{len(bill.calls)} calls: {len(bill.calls) - len(lost)} ended, {len(lost)} in flight at a kill",
        f"the model charged {sum(paid.values())} calls, {unfinished} of them never answered to their end",
        f"paid more than once: {sum(count > 1 for count in paid.values())} pictures, all of them in flight at a kill"
        if all(count <= 1 + sum(call.pixels == pixels for call in lost) for pixels, count in paid.items())
        else "paid more than once WITHOUT a kill",
        f"budgets {bill.budgets.get('', 0)} tokens, the model charged {sum(each.tokens for each in bill.charges)}",
    ]
