"""The picture of a word: shown, asked for, exchanged for another one, named, forgotten.

The word is locked first, then its row in the queue, as importers lock them; so what is read here is so when it is written.
Leaves out searching and fetching, which are the importer's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from heliograph_common.clock import rfc3339
from heliograph_common.contracts.word_messages import Photo, WordImageFound, WordImageRemoved
from heliograph_common.db.engine import Database
from heliograph_common.db.rows import Connection, Row
from heliograph_common.db.words import pictures
from heliograph_common.db.words import queue as word_queue
from heliograph_common.db.words.entries import key_of
from heliograph_common.db.words.pictures import Choice, event_facts
from heliograph_common.http.problems import Problem
from heliograph_common.messaging.transaction import Messenger, Transaction
from heliograph_common.settings import WordSettings
from heliograph_gateway.http.problems import WORD_IMAGE_NOT_FOUND
from heliograph_gateway.words import queries as words
from heliograph_gateway.words.pictures import queries
from heliograph_gateway.words.queue.service import Waiting, WordQueue
from heliograph_gateway.words.service import no_such_word


@dataclass(frozen=True)
class Picture:
    """A word, as of ``words.queries``, and its row of ``word_images``."""

    word: Row[Any]
    row: Row[Any]

    @property
    def photo(self) -> Photo:
        """What is shown."""
        return msgspec.convert(self.row.photo, type=Photo)

    @property
    def candidates(self) -> list[Photo]:
        """Other photos of the same search, the better first."""
        return msgspec.convert(self.row.candidates, type=list[Photo])


@dataclass(frozen=True)
class Queued:
    """A word that waits for one."""

    word: Row[Any]
    waiting: Waiting


class Pictures:
    """Pictures of words as clients see and change them."""

    def __init__(self, database: Database, messenger: Messenger, queue: WordQueue, settings: WordSettings) -> None:
        self._database = database
        self._messenger = messenger
        self._queue = queue
        self._store = settings.pictures == "stored"
        self._owner = settings.owner

    async def show(self, word_id: str, caller: str) -> Picture | Queued:
        """The picture; a word that has none is put in front of the queue for ``caller``.

        Raises:
            Problem: there is no such word, or none was found for it lately.
            DatabaseUnavailable: nothing was done.
        """
        key = key_of(word_id)
        async with self._database.transaction() as connection:
            word, row = await words.find(connection, key), await pictures.find(connection, key)
        if word is not None and row is not None:
            return Picture(word, row)
        async with self._messenger.transaction() as transaction:
            word = await self._held(transaction.connection, word_id)
            row = await pictures.find(transaction.connection, key)
            if row is not None:
                return Picture(word, row)
            return await self._asked(transaction.connection, word, caller)

    async def another(self, word_id: str, caller: str) -> Picture | Queued:
        """The next best picture in place of the present one, which is not shown for the word again; where none is left, the
        word is searched again. As ``show`` where it has none.

        Raises:
            Problem, DatabaseUnavailable: as ``show``.
        """
        async with self._messenger.transaction() as transaction:
            connection = transaction.connection
            word = await self._held(connection, word_id)
            row = await pictures.find(connection, word.key)
            if row is None:
                return await self._asked(connection, word, caller)
            await pictures.reject(connection, word.key, row.provider, row.photo_id)
            if others := _not_rejected(word, Picture(word, row).candidates):
                return await self._choose(transaction, word, Choice(others[0], others[1:], row.query), caller)
            gone = await pictures.forget(connection, word.key)
            if gone is not None:
                transaction.event(WordImageRemoved(**event_facts(gone)), owner=self._owner)
            await queries.drop(connection, word.key, task="download")
            return await self._asked(connection, gone or word, caller)

    async def name(self, word_id: str, photo_id: str, caller: str) -> Picture | Queued:
        """The photo with that id: at once where it is known, otherwise once it was looked up. Until then the word keeps the
        picture that it has.

        Raises:
            Problem: there is no such word.
            DatabaseUnavailable: nothing was done.
        """
        async with self._messenger.transaction() as transaction:
            connection = transaction.connection
            word = await self._held(connection, word_id)
            row = await pictures.find(connection, word.key)
            known = [] if row is None else [Picture(word, row).photo, *Picture(word, row).candidates]
            named = next((each for each in known if each.id == photo_id), None)
            if row is not None and named is not None:
                others = [each for each in known if each is not named]
                return await self._choose(transaction, word, Choice(named, others, row.query, named=True), caller)
            await word_queue.ask(connection, word.key, caller, photo_id=photo_id)
            return await self._queued(connection, word)

    async def forget(self, word_id: str) -> bool:
        """Removes the picture, and that none was found; whether there was one. The next population of the queue searches
        again.

        Raises:
            Problem: there is no such word.
            DatabaseUnavailable: nothing was done.
        """
        async with self._messenger.transaction() as transaction:
            connection = transaction.connection
            word = await self._held(connection, word_id)
            gone = await pictures.forget(connection, word.key)
            await queries.drop(connection, word.key, task="download")
            if gone is not None:
                transaction.event(WordImageRemoved(**event_facts(gone)), owner=self._owner)
        return gone is not None

    async def _choose(self, transaction: Transaction, word: Row[Any], choice: Choice, caller: str) -> Picture:
        """As importers do it (``words.outcomes`` there)."""
        connection = transaction.connection
        told = choice.photo.download_location is not None
        chosen = await pictures.choose(connection, word.key, choice, store=self._store and told)
        transaction.event(WordImageFound(**event_facts(chosen), photo=choice.photo), owner=self._owner)
        if told:
            await word_queue.download_next(connection, word.key, caller)
        else:
            await queries.drop(connection, word.key)
        row = await pictures.find(connection, word.key)
        assert row is not None  # noqa: S101 - it was written above, and the word is locked
        return Picture(chosen, row)

    async def _asked(self, connection: Connection, word: Row[Any], caller: str) -> Queued:
        now = (await self._queue.budget(connection)).spending.now
        missed = word.search_again_at is not None and word.search_again_at > now
        if missed and await word_queue.place_of(connection, word.key) is None:  # nobody has named a photo since
            raise _missed(word)
        await word_queue.ask(connection, word.key, caller)
        return await self._queued(connection, word)

    async def _queued(self, connection: Connection, word: Row[Any]) -> Queued:
        waiting = await self._queue.waiting(connection, word.key)
        assert waiting is not None  # noqa: S101 - it was queued before, and the word is locked
        return Queued(word, waiting)

    async def _held(self, connection: Connection, word_id: str) -> Row[Any]:
        word = await words.hold(connection, key_of(word_id))
        if word is None:
            raise no_such_word(word_id)
        return word


def _not_rejected(word: Row[Any], photos: Sequence[Photo]) -> list[Photo]:
    return [photo for photo in photos if f"{photo.provider}:{photo.id}" not in word.rejected]


def _missed(word: Row[Any]) -> Problem:
    again = rfc3339(word.search_again_at)
    return Problem(
        WORD_IMAGE_NOT_FOUND,
        f"No image was found for the word `{word.id}`: {word.miss_reason}. It is searched for again after {again}.",
        extra={"code": word.miss_code, "search_again_at": again},
    )
