"""A simulated day: two importers that are killed at random, and an hourly budget that is spent to the last request and never
exceeded, whatever dies when.

In each hour clients ask for words after a while without requests, so that both importers compete for several at once.
The clock is the test's: a step of it is the time in which one request is due. Importers die before a step, after its command
was committed, and while its request is being answered; what they leave behind is real NATS' and PostgreSQL's to keep.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Collection
from time import monotonic

import pytest
from tests.integration.importer.words.support import Replica, SetClock, Words
from tests.polling import until

from heliograph_common.db.words.entries import Entry

HOURS, QUOTA = 24, 25
STEP = 3600 / QUOTA
STEPS = HOURS * QUOTA
DEATHS = {"before": 6, "after the commit": 3, "while asking": 6}
"""How often an importer dies, and when in a step."""
POPULATE = 4
"""Steps from one look at the populator to the next."""
WORDS = 400
FOUND = "events.word.image_found"
QUIET, RACE = range(6, 10), 10
"""Steps of each hour in which nothing is requested, and the next one, which makes up for them."""
RACES_FROM = 2 * QUOTA


class Day:
    """Two importers, and their deaths."""

    def __init__(self, words: Words, time: SetClock) -> None:
        self.words = words
        self.time = time
        self.rng = random.Random(20_310_501)
        self.replicas: list[Replica] = []
        deaths = [when for when, often in DEATHS.items() for _ in range(often)]
        busy = [number for number in range(1, STEPS) if not is_in(number, [*QUIET, RACE, RACE + 1])]
        self.deaths = dict(zip(self.rng.sample(busy, len(deaths)), deaths, strict=True))
        self.added = 0

    async def start(self) -> Replica:
        """Another importer."""
        return await Replica(self.words, self.words.unsplash(), quota=QUOTA, now=self.time).start()

    async def kill(self, which: int) -> None:
        """Kills one and starts another."""
        await self.replicas[which].kill()
        self.replicas[which] = await self.start()

    async def race(self, number: int) -> None:
        """Several requests are allowed at once, and more are wanted; none is made by the next step's unasked words."""
        waiting = await self.words.rows(
            "SELECT id FROM words JOIN word_queue ON word_key = key WHERE task = 'search' ORDER BY lane, ticket LIMIT 5"
        )
        for row in waiting:
            await self.words.ask(row.id)

        async def enough() -> bool:
            await asyncio.gather(*(replica.dispatcher.run_once() for replica in self.replicas))
            return len(self.words.double.calls) >= number

        await until(enough, 60, every=0.001)
        for _ in range(3):
            await asyncio.gather(*(replica.dispatcher.run_once() for replica in self.replicas))

    async def step(self, number: int) -> None:
        """One step, whose request is made before it ends."""
        if number > RACES_FROM and is_in(number, [*QUIET, RACE]):
            if self.deaths.get(number - 1) != "while asking":  # whose answer never comes
                await until(self.written)
            if is_in(number, [RACE]):
                await self.race(number)
            self.time.pass_by(STEP)
            return
        which = self.rng.randrange(2)
        dies = self.deaths.get(number)
        if dies == "before":
            await self.kill(which)
        if number % POPULATE == 0:
            self.added += await self.replicas[which].populator.run_once() or 0
        await self.replicas[which].dispatcher.run_once()
        if dies == "after the commit":
            await self.kill(which)
        await self.requested(number)
        if dies == "while asking":  # one of them is
            await self.kill(0)
            await self.kill(1)
        self.time.pass_by(STEP)

    async def written(self) -> bool:
        """Whether each answer is written: none is to come after the quiet time, which passes at once."""
        return not await self.words.rows("SELECT FROM word_queue WHERE status = 'active'")

    async def requested(self, number: int) -> None:
        """Returns once so many requests were made. As the clock stands still, nothing more is to come then."""
        looked = monotonic()

        async def enough() -> bool:
            nonlocal looked
            if monotonic() - looked > 0.2:
                await self.replicas[number % 2].dispatcher.run_once()
                looked = monotonic()
            return len(self.words.double.calls) >= number

        await until(enough, 60, every=0.001)


def is_in(number: int, steps: Collection[int]) -> bool:
    """Whether a step of the day is one of these of its hour."""
    return (number - 1) % QUOTA + 1 in steps


@pytest.mark.timeout(300)
async def test_a_day_of_kills_spends_exactly_the_budget_of_each_hour(words: Words) -> None:
    time = SetClock()
    words.double.hour.limit = QUOTA  # its answer to the last one says that none is left
    words.double._clock = time.seconds
    begin = time.seconds()
    await words.add(*(Entry(f"w{number}", f"rare portrait {number}", "en", rank=number + 1) for number in range(WORDS)))
    day = Day(words, time)
    day.replicas = [await day.start(), await day.start()]
    for number in range(1, STEPS + 1):
        await day.step(number)
    events = await day.replicas[0].bus.jetstream.stream_info("EVENTS", subjects_filter=FOUND)
    for replica in day.replicas:
        await replica.stop()

    calls = words.double.calls
    assert Counter(int((call.at - begin) // 3600) for call in calls) == dict.fromkeys(range(HOURS), QUOTA)
    ats = [call.at for call in calls]
    assert all(later - earlier >= 3600 for earlier, later in zip(ats, ats[QUOTA:], strict=False)), "in any hour"
    assert max(Counter(ats).values()) == len(QUIET) + 1, "there were races"
    assert all(call.counted for call in calls), "the provider's own limit was never met"
    assert len(await words.requests()) == len(calls)
    assert day.added == 0, "what is queued is not queued again"
    pictures = await words.rows("SELECT word_key FROM word_images")
    assert 0 < (events.state.subjects or {})[FOUND] <= len(pictures), "each was found once"
    queued = await words.rows("SELECT word_key FROM word_queue")
    assert len({row.word_key for row in [*pictures, *queued]}) == WORDS, "none is lost"
    assert len(pictures) >= STEPS / 2 - len(day.deaths)
