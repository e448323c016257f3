"""The queue of words as clients see it: filled, counted, and what one word in it waits for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from heliograph_common.db import provider_states
from heliograph_common.db.engine import Database
from heliograph_common.db.provider_states import State
from heliograph_common.db.rows import Connection, Row
from heliograph_common.db.words import budget
from heliograph_common.db.words import queue as word_queue
from heliograph_common.db.words.budget import Spending
from heliograph_common.db.words.queue import Lane, Place, Which
from heliograph_common.settings import WordSettings
from heliograph_gateway.words.queue import queries

BUDGET = "unsplash"
"""The provider whose hour is budgeted."""
_POPULATE_SECONDS = 60.0
"""How long a statement over all words may take."""


@dataclass(frozen=True)
class Budget:
    """What the provider still allows, and whether it is paused."""

    spending: Spending
    state: State

    @property
    def next_at(self) -> datetime:
        """When the next request may be made for a client that waits."""
        return self._not_paused(self.spending.next_at(asked=True))

    def due_at(self, place: Place) -> datetime:
        """An estimate of when the word at ``place`` has its turn."""
        if place.status != "queued":
            return self.spending.now
        due = self._not_paused(self.spending.due_at(place.place))
        return due if place.not_before is None else max(due, place.not_before)

    def _not_paused(self, at: datetime) -> datetime:
        until = self.state.paused_until
        return max(at, until) if self.state.paused and until is not None else at


@dataclass(frozen=True)
class Stats:
    """``counts`` as of ``queries.counts``; ``lengths`` of the lanes."""

    counts: Row[Any]
    lengths: dict[Lane, int]
    budget: Budget
    next_population_at: datetime | None


@dataclass(frozen=True)
class Waiting:
    """Where a word is in the queue, and what decides when it is due."""

    place: Place
    budget: Budget


class WordQueue:
    """Fills and counts the queue."""

    def __init__(self, database: Database, settings: WordSettings) -> None:
        self._database = database
        self._settings = settings

    async def populate(self, which: Which, days: int | None) -> int:
        """Queues words without a picture; returns how many are new there. ``days`` for which the ``recent`` ones are so.

        Raises:
            DatabaseUnavailable: nothing was done.
        """
        async with self._database.transaction(statement_seconds=_POPULATE_SECONDS) as connection:
            return await word_queue.populate(connection, which, days=self._settings.recent_days, within=days)

    async def stats(self) -> Stats:
        """Counts of now.

        Raises:
            DatabaseUnavailable: nobody can tell.
        """
        async with self._database.transaction() as connection:
            counts = await queries.counts(connection)
            lengths = await word_queue.lengths(connection)
            found = await self.budget(connection)
        every = timedelta(minutes=self._settings.populate_minutes)
        populated_at = counts.populated_at
        return Stats(counts, lengths, found, None if populated_at is None else populated_at + every)

    async def budget(self, connection: Connection) -> Budget:
        """What the provider still allows."""
        spent = await budget.spending(connection, BUDGET, self._settings.requests_per_hour)
        return Budget(spent, await provider_states.state_of(connection, BUDGET))

    async def waiting(self, connection: Connection, key: UUID) -> Waiting | None:
        """What a word waits for; ``None``: it is not in the queue."""
        place = await word_queue.place_of(connection, key)
        return None if place is None else Waiting(place, await self.budget(connection))
