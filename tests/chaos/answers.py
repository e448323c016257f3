"""What uploads may be answered while servers misbehave: taken, or 503 with the time to come back; in bounded time."""

from __future__ import annotations

import asyncio
from collections import Counter
from itertools import count

from tests.chaos.pictures import picture
from tests.chaos.world import World


class Flow:
    """Uploads until ``stop``, each of another picture, at an even pace: a long fault shall not make a long queue. ``first``
    numbers the first one; numbers of one run must differ."""

    def __init__(self, world: World, *, first: int = 0, width: int = 320, height: int = 240) -> None:
        self._world = world
        self._numbers = count(first)
        self._size = {"width": width, "height": height}
        self._stopped = False

    async def send(self, *, lanes: int = 3, pause: float = 0.2) -> None:
        """Sends in so many lanes, with ``pause`` seconds between a lane's pictures; returns after ``stop``, when each has
        its answer."""
        async with asyncio.TaskGroup() as sending:
            for _ in range(lanes):
                sending.create_task(self._lane(pause))

    def stop(self) -> None:
        """No picture is begun any more."""
        self._stopped = True

    async def _lane(self, pause: float) -> None:
        while not self._stopped:
            await self._world.sender.send(picture(next(self._numbers), self._world.rng, **self._size))
            await asyncio.sleep(pause)


def judge_answers(world: World, *, within: float) -> None:
    """Nothing but 200, 201, and 503 with ``Retry-After`` and a problem document, each ``within`` so many seconds."""
    answers = world.history.answers
    statuses = Counter(answer.status for answer in answers)
    for status in statuses.keys() - {200, 201, 503}:
        example = next(answer for answer in answers if answer.status == status)
        what = f"{example.problem}, after {example.seconds:.1f} s"
        world.fail("gateway", f"{statuses[status]} uploads got {status or 'no answer'} ({what})")
    bare = [
        answer for answer in answers if answer.status == 503 and not _tells_when(answer.retry_after, answer.problem)
    ]
    world.require(not bare, "gateway", f"{len(bare)} 503s without Retry-After or reason, such as {bare[:1]}")
    longest = max((answer.seconds for answer in answers), default=0.0)
    world.require(longest <= within, "gateway", f"an upload was answered only after {longest:.1f} s")
    shown = ", ".join(f"{number}x {status}" for status, number in sorted(statuses.items()))
    world.notes.append(f"answers {shown}; the longest took {longest:.1f} s")


def _tells_when(retry_after: str | None, problem: str) -> bool:
    return retry_after is not None and retry_after.isdigit() and bool(problem)
