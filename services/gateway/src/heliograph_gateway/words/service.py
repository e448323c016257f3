"""Words written, deleted, and learned by owners. Words are the whole installation's; a vocabulary is its owner's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from heliograph_common.contracts.word_messages import FindPicture, WordImageRemoved
from heliograph_common.db import work
from heliograph_common.db.rows import Row
from heliograph_common.db.words import entries, pictures
from heliograph_common.db.words import queue as word_queue
from heliograph_common.db.words.entries import Entry, Written, key_of
from heliograph_common.db.words.pictures import event_facts
from heliograph_common.db.words.queue import Lane
from heliograph_common.http.problems import Problem
from heliograph_common.messaging.transaction import Messenger
from heliograph_gateway.http.problems import NOT_FOUND, UNAVAILABLE
from heliograph_gateway.words import queries

_BULK_SECONDS = 60.0
"""How long a statement on many words may take."""
_AT_ONCE = 2_000
"""Words of one transaction: making its parameters takes the event loop, and others must have their turns."""
_BULKS = 2
"""Bulks that are read and written at one time: each is tens of megabytes of memory, and one core's work for seconds."""
_PATIENCE = 10.0
_COME_BACK = "10"


class Words:
    """``owner``: whose events those of words are. ``patience``: seconds that a bulk waits for others."""

    def __init__(self, messenger: Messenger, *, owner: str, patience: float = _PATIENCE) -> None:
        self._messenger = messenger
        self._owner = owner
        self._patience = patience
        self._turns = asyncio.Semaphore(_BULKS)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Reads and writes a bulk in the block, when few others do.

        Raises:
            Problem: there was no turn in time; the block was not entered.
        """
        try:
            async with asyncio.timeout(self._patience):
                await self._turns.acquire()
        except TimeoutError:
            detail = f"Other words are being written. Try again in {_COME_BACK} seconds."
            raise Problem(UNAVAILABLE, detail, headers={"Retry-After": _COME_BACK}) from None
        try:
            yield
        finally:
            self._turns.release()

    async def write(self, found: Mapping[str, Entry]) -> Written:
        """Creates and changes words, some in each transaction, so that nobody waits long for the others.

        Raises:
            DatabaseUnavailable: not all were written; who sends them again has the same words.
        """
        ids = list(found)
        created = updated = unchanged = 0
        for start in range(0, len(ids), _AT_ONCE):
            written = await self._write({word_id: found[word_id] for word_id in ids[start : start + _AT_ONCE]})
            created, updated = created + written.created, updated + written.updated
            unchanged += written.unchanged
        return Written(created, updated, unchanged)

    async def _write(self, some: Mapping[str, Entry]) -> Written:
        async with self._messenger.transaction(statement_seconds=_BULK_SECONDS) as transaction:
            written = await entries.write(transaction.connection, some)
            for word in written.removed:
                transaction.event(WordImageRemoved(**event_facts(word)), owner=self._owner)
        return written

    async def delete(self, word_id: str) -> None:
        """Deletes a word with its picture, from the queue and from all vocabularies.

        Raises:
            Problem: there is no such word.
            DatabaseUnavailable: nothing was done.
        """
        async with self._messenger.transaction() as transaction:
            connection, key = transaction.connection, key_of(word_id)
            await work.lock(connection, FindPicture.kind, key)  # its work first: workers lock them in this order
            if await queries.hold(connection, key) is None:
                raise no_such_word(word_id)
            gone = await pictures.forget(connection, key)
            await entries.remove(connection, word_id)
            await work.forget(connection, FindPicture.kind, key)
            if gone is not None:
                transaction.event(WordImageRemoved(**event_facts(gone)), owner=self._owner)

    async def learn(self, word_id: str, owner: str) -> Row[Any]:
        """Adds a word to the owner's vocabulary, and to the queue where it has no picture; returns its entry.

        Raises:
            Problem: there is no such word.
            DatabaseUnavailable: nothing was done.
        """
        key = key_of(word_id)
        async with self._messenger.transaction() as transaction:
            if await entries.learn(transaction.connection, owner, key):
                await word_queue.enter(transaction.connection, key, Lane.VOCABULARY)
            entry = await queries.entry(transaction.connection, owner, key)
            if entry is None:
                raise no_such_word(word_id)
        return entry

    async def unlearn(self, word_id: str, owner: str) -> None:
        """Takes it out again. Its place in the queue stays.

        Raises:
            Problem: it is not in the owner's vocabulary.
            DatabaseUnavailable: nothing was done.
        """
        async with self._messenger.transaction() as transaction:
            if not await entries.unlearn(transaction.connection, owner, key_of(word_id)):
                raise Problem(NOT_FOUND, f"Word `{word_id}` is not in your vocabulary.")


def no_such_word(word_id: str) -> Problem:
    """404."""
    return Problem(NOT_FOUND, f"Word `{word_id[:100]}` does not exist. Send it with `PUT /v1/words` first.")
