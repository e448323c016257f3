"""What becomes of a word after a step: it gets a picture, goes on, or leaves the queue without one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec

from heliograph_common.contracts.word_messages import Photo, WordImageFound
from heliograph_common.db.rows import Connection, Row
from heliograph_common.db.words import pictures
from heliograph_common.db.words.pictures import Choice
from heliograph_common.messaging.transaction import Transaction
from heliograph_importer.words import queries
from heliograph_importer.words.claims import Claim, Rules, note_miss

Write = Callable[[Transaction], Awaitable[None]]

FAILED_FOR = timedelta(days=1)
"""How long a word is not searched again whose provider failed."""


async def chosen(transaction: Transaction, rules: Rules, key: UUID, choice: Choice) -> None:
    """Gives a word, which is locked, its picture, and says so. A provider that is to be told of it is, by the next step."""
    connection = transaction.connection
    told = choice.photo.download_location is not None
    word = await pictures.choose(connection, key, choice, store=rules.store and told)
    transaction.event(WordImageFound(**pictures.event_facts(word), photo=choice.photo), owner=rules.owner)
    if told:
        await queries.go_on(connection, key, task="download")
    else:
        await queries.done(connection, key)


async def settled(transaction: Transaction, claim: Claim, write: Write) -> None:
    """Has ``write`` end the step. Nothing is written for a word that was deleted meanwhile; one of which somebody has named
    or chosen a photo goes on with that, and what has become of the old one is of no interest."""
    connection = transaction.connection
    queued = await queries.hold(connection, claim.key, claim.fence)
    if queued is None:
        return
    asked = claim.taken.queued
    if (queued.task, queued.photo_id) != (asked.task, asked.photo_id):
        await queries.put_back(connection, claim.key)
    elif asked.task == "download" and not await _has_same_photo(connection, claim):
        await queries.go_on(connection, claim.key, task="download")
    else:
        await write(transaction)


async def unknown(transaction: Transaction, word: Row[Any]) -> None:
    """Goes on with a word, which is locked, of which somebody named a photo that there is not: the picture that it has
    stays, and one that has none is searched, unless nothing was found lately."""
    connection = transaction.connection
    row = await pictures.find(connection, word.key)
    if row is None and word.missed_at is None:
        await queries.go_on(connection, word.key, task="search")
    elif row is not None and (row.downloaded_at is None or row.storing == "pending"):
        await queries.go_on(connection, word.key, task="download")
    else:
        await queries.done(connection, word.key)


async def failed(transaction: Transaction, rules: Rules, taken: queries.Taken, reason: str) -> None:
    """Ends the step of a word, which is locked, that is not to be tried any more."""
    connection, key = transaction.connection, taken.word.key
    if taken.queued.task == "photo":
        await unknown(transaction, taken.word)
        return
    row = await pictures.find(connection, key)
    if row is None:
        await note_miss(transaction, rules, key, code="provider_failed", reason=reason, keep=FAILED_FOR)
        return
    if row.storing == "pending":
        await pictures.note_not_stored(connection, key, row.photo_id, reason)
    await queries.done(connection, key)


async def _has_same_photo(connection: Connection, claim: Claim) -> bool:
    old, row = claim.taken.picture, await pictures.find(connection, claim.key)
    return old is not None and row is not None and (row.provider, row.photo_id) == (old.provider, old.photo_id)


def photo_of_row(row: Row[Any]) -> Photo:
    """The photo of a row of ``word_images``."""
    return msgspec.convert(row.photo, type=Photo)
