"""What uploads may be answered while servers misbehave: taken, or 503 with the time to come back; in bounded time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import count

from tests.chaos.history import Picture
from tests.chaos.pictures import picture
from tests.chaos.world import World


class Flow:
    """Pictures without end until ``stop``, each another."""

    def __init__(self, world: World, *, first: int = 0, width: int = 320, height: int = 240) -> None:
        self._world = world
        self._numbers = count(first)
        self._size = {"width": width, "height": height}
        self._stopped = False

    def stop(self) -> None:
        self._stopped = True

    def __iter__(self) -> Iterator[Picture]:
        while not self._stopped:
            yield picture(next(self._numbers), self._world.rng, **self._size)


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
