"""Sends the words whose turn has come: the first of the queue, as many as the hourly budget allows now.

What is sent is charged when its attempt begins, not here, so a word that is sent too early goes back to its place. One
importer acts at a time, under an advisory lock; rows say what is to be sent, so one that dies leaves nothing behind that the
next does not see.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog

from heliograph_common.contracts import subjects
from heliograph_common.contracts.body import Command
from heliograph_common.contracts.word_messages import FindPicture
from heliograph_common.db import locks, provider_states
from heliograph_common.db.locks import Lock
from heliograph_common.db.rows import Connection
from heliograph_common.db.words import budget
from heliograph_common.messaging.transaction import Messenger
from heliograph_importer.words import queries
from heliograph_importer.words.claims import Rules
from heliograph_importer.words.providers.port import MISSING_KEY, REFUSED_KEY

log = structlog.get_logger(__name__)

_SECONDS_AHEAD = 1.0
_KEY_PAUSE = 30.0


class WordDispatcher:
    """``ready`` tells why this importer can make no request; ``None``: it can."""

    def __init__(self, messenger: Messenger, rules: Rules, *, ready: Callable[[], str | None]) -> None:
        self._messenger = messenger
        self._rules = rules
        self._ready = ready
        self._name = next((each.budget for each in rules.providers if each.budget is not None), None)

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
            if not state.paused:
                await provider_states.pause(connection, self._name, reason=waits_for, seconds=_KEY_PAUSE)
            return 0, False
        if state.reason in {MISSING_KEY, REFUSED_KEY} and (state.paused or state.failing):
            await queries.end_pause(connection, self._name, (MISSING_KEY, REFUSED_KEY))
            log.info("photo provider has a key again", provider=self._name)
        elif state.paused:
            return 0, False
        spent = await budget.spending(connection, self._name, self._rules.quota, now=self._rules.clock())
        busy, uncharged = await queries.under_way(connection)
        most = min(self._rules.quota - spent.used - uncharged, self._ahead())
        if state.failing:
            most = min(most, 1 - busy)
        return most, spent.next_at(asked=False) > spent.now

    def _ahead(self) -> int:
        """How many are sent at one time: what may be requested until the next time, and one at least."""
        return 1 + int(self._rules.quota * _SECONDS_AHEAD / 3_600)
