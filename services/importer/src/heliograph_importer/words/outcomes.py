"""Gives a word the picture that was chosen."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec

from heliograph_common.contracts.word_messages import Photo, WordImageFound
from heliograph_common.db.rows import Row
from heliograph_common.db.words import pictures
from heliograph_common.db.words.pictures import Choice
from heliograph_common.messaging.transaction import Transaction
from heliograph_importer.words import queries
from heliograph_importer.words.claims import Rules


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


def photo_of_row(row: Row[Any]) -> Photo:
    """The photo of a row of ``word_images``."""
    return msgspec.convert(row.photo, type=Photo)
