"""Sends the words whose turn has come: the first of the queue, as many as the hourly budget allows now.

What is sent is charged when its attempt begins, not here, so a word that is sent too early goes back to its place. One
importer acts at a time, under an advisory lock; rows say what is to be sent, so one that dies leaves nothing behind that the
next does not see.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import structlog

from heliograph_common.contracts import subjects
from heliograph_common.contracts.body import Command
from heliograph_common.contracts.word_messages import FindPicture
from heliograph_common.db import locks, provider_states
from heliograph_common.db.locks import Lock
from heliograph_common.db.provider_states import State
from heliograph_common.db.rows import Connection
from heliograph_common.db.words import budget
from heliograph_common.db.words.budget import HOUR
from heliograph_common.messaging.transaction import Messenger
from heliograph_importer.words import queries
from heliograph_importer.words.claims import Rules
from heliograph_importer.words.providers.port import MISSING_KEY, REFUSED_KEY

log = structlog.get_logger(__name__)

_SECONDS_AHEAD = 1.0
_KEY_PAUSE = 30.0
_KEY_REASONS = frozenset({MISSING_KEY, REFUSED_KEY})
_LATELY = timedelta(minutes=10)


class WordDispatcher:
    """``ready`` tells why this importer can make no request; ``None``: it can."""

    def __init__(self, messenger: Messenger, rules: Rules, *, ready: Callable[[], str | None]) -> None:
        self._messenger = messenger
        self._rules = rules
        self._ready = ready
        self._name = rules.budget

    async def run_once(self) -> int:
        """Sends what may be sent; returns how many words.

        Raises:
            DatabaseUnavailable: nothing was sent.
        """
        async with self._messenger.transaction() as transaction:
            connection = transaction.connection
            if not await locks.try_hold(connection, Lock.DISPATCH_WORDS):
                return 0
            most, asked_only = await self._allowed(connection)
            if most <= 0:
                return 0
            rows = await queries.send(connection, limit=most, asked_only=asked_only, now=self._rules.clock())
            wanted: list[tuple[str, Command, str]] = [
                (subjects.words(row.task), FindPicture(word_key=row.word_key), self._rules.owner) for row in rows
            ]
            await transaction.request_all(wanted)
        return len(wanted)

    async def take_back(self) -> int:
        """Queues again what was sent and has no row of work any more; returns how much that was.

        Raises:
            DatabaseUnavailable: nothing was taken back.
        """
        async with self._messenger.transaction() as transaction:
            lost = await queries.take_back(transaction.connection)
        if lost:
            log.warning("lost work of words queued again", rows=lost)
        return lost

    async def _allowed(self, connection: Connection) -> tuple[int, bool]:
        """How many words may be sent, and whether only those that a client waits for."""
        if self._name is None:
            return self._ahead(), False
        state = await provider_states.state_of(connection, self._name)
        waits_for = self._ready()
        if waits_for is not None:
            if not state.paused and await self._nobody_works(connection, self._name, state):
                await provider_states.pause(connection, self._name, reason=waits_for, seconds=_KEY_PAUSE)
            return 0, False
        if state.reason in _KEY_REASONS and (state.paused or state.failing):
            if await queries.end_pause(connection, self._name, _KEY_REASONS):
                log.info("photo provider has a key again", provider=self._name)
        elif state.paused:
            return 0, False
        spent = await budget.spending(connection, self._name, self._rules.quota, now=self._rules.clock())
        busy, uncharged = await queries.under_way(connection)
        most = min(self._rules.quota - spent.used - uncharged, self._ahead())
        if state.failing:
            most = min(most, 1 - busy)
        return most, spent.next_at(asked=False) > spent.now

    async def _nobody_works(self, connection: Connection, name: str, state: State) -> bool:
        """Whether no other importer has a key. One that has makes a request from time to time while words wait."""
        if state.failing and state.reason in _KEY_REASONS:
            return True
        lately = max(_LATELY, 4 * HOUR / self._rules.quota)
        return await queries.are_neglected(connection, name, lately=lately, now=self._rules.clock())

    def _ahead(self) -> int:
        """How many are sent at one time: what may be requested until the next time, and one at least."""
        return 1 + int(self._rules.quota * _SECONDS_AHEAD / 3_600)
