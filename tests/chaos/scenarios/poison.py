"""Fault test 7: files that cannot be rendered, that stall a render or take its process along, among good ones."""

from __future__ import annotations

import asyncio
import statistics
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress

import psutil
from tests.chaos.history import Picture
from tests.chaos.pictures import picture
from tests.chaos.poisons import poisons
from tests.chaos.world import World

NUMBER, TITLE = 7, "poison files"
ENVIRONMENT = {"HELIOGRAPH_RENDER__SLOTS": "2", "HELIOGRAPH_RENDER__WALL_SECONDS": "3"}

_EVERY = 0.3
_SLOWER = 3.0
_UNNOTICED = 1.0  # seconds: a machine of two cores that others use too makes a ratio of two short times jump
_GROWTH = 1.15
_MIB = 1 << 20


async def run(world: World, *, quick: bool) -> None:
    """Good pictures at an even pace: alone, among poison, alone again."""
    good, bad, stalling = (25, 40, 1) if quick else (100, 200, 2)
    made = [picture(index, world.rng) for index in range(3 * good)]
    world.say("making poison")
    poison = await asyncio.to_thread(poisons, bad, world.rng, stalling=stalling, all_cases=not quick)
    before = world.pids()
    alone = await _paced(world, made[:good])
    memory = await _memory(world)
    killer = asyncio.create_task(_kill_renders(world, 2 if quick else 6))
    among, _ = await asyncio.gather(_paced(world, made[good : 2 * good]), _spread(world, poison, good * _EVERY))
    world.say(f"all {bad} poison files are answered")
    await killer
    await world.settled()
    after = await _paced(world, made[2 * good :])
    await world.settled()
    _judge_latency(world, alone, among, after)
    await _judge_memory(world, memory)
    world.require(world.pids() == before, "services", f"some died of it: {before} became {world.pids()}")
    _judge_ends(world, poison)


async def _paced(world: World, pictures: Sequence[Picture]) -> float:
    """Sends one every ``_EVERY`` seconds; returns the median of seconds from acceptance to the ``ready`` event."""
    async with asyncio.TaskGroup() as sending:
        for one in pictures:
            sending.create_task(world.sender.send(one))
            await asyncio.sleep(_EVERY)
    ids = {world.history.accepted[one.sha256][0]: world.history.accepted_at[one.sha256] for one in pictures}
    ready: dict[str, float] = {}
    with suppress(TimeoutError):
        async with asyncio.timeout(60):
            while len(ready) < len(ids):
                events = world.history.events
                ready = {each.subject: each.at for each in events if each.type == "image.ready" and each.subject in ids}
                await asyncio.sleep(0.1)
    world.require(len(ready) == len(ids), "good pictures", f"only {len(ready)} of {len(ids)} were ready within 60 s")
    median = statistics.median(at - ids[image] for image, at in ready.items())
    world.say(f"{len(ids)} good pictures, median {median * 1000:.0f} ms from acceptance to ready")
    return median


async def _spread(world: World, pictures: Sequence[Picture], seconds: float) -> None:
    """Sends all within ``seconds``, evenly: the question is what their nature does to others, not their number."""
    async with asyncio.TaskGroup() as sending:
        for one in pictures:
            sending.create_task(world.sender.send(one))
            await asyncio.sleep(seconds / len(pictures))


async def _kill_renders(world: World, times: int) -> None:
    """What a decoder's flaw would do: a render process dies of what it reads."""
    while times:
        await asyncio.sleep(world.rng.uniform(0.5, 2.0))
        children = [child for name in world.thumbnailers for child in world.render_children(name)]
        if children:
            with suppress(psutil.NoSuchProcess):
                world.rng.choice(children).kill()
                world.kills += 1
                times -= 1


async def _memory(world: World) -> dict[str, float]:
    """Bytes that each thumbnailer holds; its render processes come and go and are not counted."""
    return {name: await world.metric(name, "process_resident_memory_bytes") for name in world.thumbnailers}


async def _judge_memory(world: World, before: dict[str, float]) -> None:
    for name, now in (await _memory(world)).items():
        world.notes.append(f"{name} holds {now / _MIB:.0f} MiB, before {before[name] / _MIB:.0f}")
        world.require(now <= before[name] * _GROWTH, name, f"grew from {before[name]:.0f} to {now:.0f} bytes")
        children = world.render_children(name)
        largest = max((child.memory_info().rss for child in children), default=0)
        world.require(
            0 < largest < 300 * _MIB, name, f"its {len(children)} render processes hold up to {largest} bytes"
        )


def _judge_latency(world: World, alone: float, among: float, after: float) -> None:
    """Against the slower of the two runs without poison: what others do on the machine changes meanwhile."""
    ratio = among / max(alone, after)
    shown = " / ".join(f"{seconds * 1000:.0f}" for seconds in (alone, among, after))
    world.notes.append(f"good pictures before / among / after poison: {shown} ms, {ratio:.1f} x the slower")
    held_up = ratio > _SLOWER and among > _UNNOTICED
    world.require(not held_up, "good pictures", f"were held up: {ratio:.1f} times as long among poison")


def _judge_ends(world: World, poison: Sequence[Picture]) -> None:
    """Nothing but an answer that says what is wrong, or an image that fails or completes."""
    history = world.history
    statuses = Counter(answer.status for answer in history.answers)
    world.require(not statuses.keys() - {200, 201, 400, 413, 415, 422}, "gateway", f"answers {dict(statuses)}")
    refused = sum(one.sha256 in history.refused for one in poison)
    failed = len({event.subject for event in history.events if event.type == "image.failed"})
    world.notes.append(f"of {len(poison)} poison files {refused} refused, {failed} failed, the rest rendered")
    world.require(failed >= len(poison) // 4, "test", f"only {failed} files reached a decoder and failed there")
