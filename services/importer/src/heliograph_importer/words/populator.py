"""Queues words that have no picture, every half hour, and tells how many wait."""

from __future__ import annotations

from datetime import timedelta

import structlog

from heliograph_common.db import provider_states
from heliograph_common.db.engine import Database
from heliograph_common.db.words import budget, queue
from heliograph_common.telemetry import metrics
from heliograph_importer.words import queries
from heliograph_importer.words.claims import Clock, Rules

log = structlog.get_logger(__name__)

_STATEMENT_SECONDS = 60.0


class Populator:
    """Runs ``every`` so often over all importers. ``days`` for which a word is recent. ``now``: the clock, by default
    PostgreSQL's."""

    def __init__(self, database: Database, *, every: timedelta, days: int, now: Clock | None = None) -> None:
        self._database = database
        self._every = every
        self._days = days
        self._now = now

    async def run_once(self) -> int | None:
        """Queues what is missing, if that is due; returns how many words that were, ``None`` if it was not due.

        Raises:
            DatabaseUnavailable: nothing was queued.
        """
        now = None if self._now is None else self._now()
        async with self._database.transaction(statement_seconds=_STATEMENT_SECONDS) as connection:
            added = await queue.populate_if_due(connection, every=self._every, days=self._days, now=now)
        if added is not None:
            log.info("words queued", added=added)
        return added

    async def forget(self) -> None:
        """Deletes requests that no hour needs any more."""
        async with self._database.transaction(statement_seconds=_STATEMENT_SECONDS) as connection:
            await budget.forget(connection)


class Figures:
    """Queue, pictures and budgets as metrics."""

    def __init__(self, database: Database, rules: Rules) -> None:
        self._database = database
        self._rules = rules

    async def run_once(self) -> None:
        """Measures.

        Raises:
            DatabaseUnavailable: the figures stay as they were.
        """
        async with self._database.transaction() as connection:
            lengths = await queue.lengths(connection)
            pictures = await queries.pictures(connection)
            for name in {each.budget for each in self._rules.providers if each.budget is not None}:
                spent = await budget.spending(connection, name, self._rules.quota, now=self._rules.clock())
                state = await provider_states.state_of(connection, name)
                metrics.word_budget_used.labels(provider=name).set(spent.used)
                metrics.word_budget_limit.labels(provider=name).set(self._rules.quota)
                metrics.word_paused.labels(provider=name).set(state.paused)
        for lane, waiting in lengths.items():
            metrics.word_queue_length.labels(lane=lane.name.lower()).set(waiting)
        metrics.word_images.set(pictures)
