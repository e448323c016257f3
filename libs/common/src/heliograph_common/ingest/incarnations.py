"""Which incarnation of a key may be used: what is about to be put, what is in use, what is given up (``blobs.keys``).

Uploads (``accept``) and renderers ask for keys; ``collect`` gives them up. A key is given up for good, in a transaction
that has the content's lock alone (``db.locks``) and finds no row that names it; the object is deleted any time after
that commit, by ``garbage``. A row that names a key is written in a transaction that shares the lock and finds that the key
was not given up. So no deletion, however late it arrives, can hit an object that a row names.

Each function is a part of its caller's transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from heliograph_common.blobs import keys
from heliograph_common.db import locks
from heliograph_common.db.blob_models import BlobGarbage, BlobIntent, RetiredKey
from heliograph_common.db.image_models import Image
from heliograph_common.db.statements import ImageRow
from heliograph_common.ids import new_id


@dataclass(frozen=True)
class Intent:
    """Someone is about to put an original: committed before the first byte is sent, so that what never becomes an image is
    found and collected."""

    id: UUID
    sha256: str
    incarnation: int

    @property
    def key(self) -> str:
        """Where to put it."""
        return keys.original(self.sha256, self.incarnation)


async def current_keys(connection: AsyncConnection, bases: Collection[str]) -> dict[str, str]:
    """The key that may be used now, for each of ``bases`` (what ``keys.original`` and ``keys.rendition`` make)."""
    folders = {base: _folder(base) for base in bases}
    wanted = {*bases, *folders.values()}
    statement = select(RetiredKey.key, RetiredKey.incarnation).where(RetiredKey.key.in_(wanted))
    retired = {row.key: row.incarnation for row in await connection.execute(statement)}
    return {
        base: keys.incarnation(base, retired.get(base, 0) + retired.get(folder, 0)) for base, folder in folders.items()
    }


async def keep(connection: AsyncConnection, sha256: str, used: Collection[str]) -> bool:
    """Whether the keys in ``used``, of the content ``sha256``, were not given up since ``current_keys`` told them. They will
    not be before this transaction ends, and after it not while a row names them. To be called before a row is locked."""
    await locks.share_keys(connection, sha256)
    bases = {keys.split(key)[0] for key in used}
    return set(used) <= set((await current_keys(connection, bases)).values())


async def intend(connection: AsyncConnection, sha256: str) -> Intent:
    """Notes that the original is about to be put, and where."""
    base = keys.original(sha256)
    _, number = keys.split((await current_keys(connection, [base]))[base])
    intent = Intent(new_id(), sha256, number)
    await _note(connection, intent)
    return intent


async def renew(connection: AsyncConnection, intent: Intent) -> Intent | None:
    """``None``: the key of ``intent`` may still be used, and may be until this transaction ends. Otherwise it was given up,
    and the original is to be put again; what was put stays noted, for it may have come after the deletion."""
    if await keep(connection, intent.sha256, [intent.key]):
        return None
    await _note(connection, intent)
    return await intend(connection, intent.sha256)


async def fulfil(connection: AsyncConnection, intent: Intent) -> None:
    """Notes that a row names what was put."""
    await connection.execute(delete(BlobIntent).where(BlobIntent.id == intent.id))


async def move(connection: AsyncConnection, row: ImageRow, number: int) -> ImageRow:
    """Has the image name another incarnation of its original, and the one that it named deleted where nobody else does:
    it was given up before, or there would be no other. Returns the row as it is then."""
    moved = update(Image).where(Image.id == row.id).values(incarnation=number, updated_at=func.now())
    found = (await connection.execute(moved.returning(*Image.__table__.columns))).one_or_none()
    others = select(Image.id).where(Image.sha256 == row.sha256, Image.incarnation == row.incarnation).limit(1)
    if (await connection.execute(others)).first() is None:
        await discard(connection, [keys.original(row.sha256, row.incarnation)])
    return row if found is None else found


async def give_up_original(connection: AsyncConnection, sha256: str, number: int) -> None:
    """Gives up one incarnation of an original."""
    await _raise(connection, keys.original(sha256), number + 1)
    await discard(connection, [keys.original(sha256, number)])


async def give_up_rendition(connection: AsyncConnection, key: str) -> None:
    """Gives up the key of one rendition."""
    base, number = keys.split(key)
    folder = select(RetiredKey.incarnation).where(RetiredKey.key == _folder(base))
    of_folder = (await connection.execute(folder)).scalar_one_or_none() or 0
    await _raise(connection, base, number + 1 - of_folder)
    await discard(connection, [key])


async def give_up_renditions(connection: AsyncConnection, sha256: str) -> None:
    """Gives up the keys of all renditions of a content, those that nobody knows of among them."""
    folder = keys.renditions(sha256)
    statement = insert(RetiredKey).values(key=folder, incarnation=1)
    more = {"incarnation": RetiredKey.incarnation + 1, "retired_at": func.now()}
    await connection.execute(statement.on_conflict_do_update(index_elements=["key"], set_=more))
    await discard(connection, [folder])


async def discard(connection: AsyncConnection, given_up: Iterable[str]) -> None:
    """Has objects deleted whose keys were given up."""
    statement = insert(BlobGarbage).values([{"key": key} for key in given_up])
    again = {"due_at": func.now()}
    await connection.execute(statement.on_conflict_do_update(index_elements=["key"], set_=again))


async def _note(connection: AsyncConnection, intent: Intent) -> None:
    values = {"id": intent.id, "sha256": intent.sha256, "incarnation": intent.incarnation}
    await connection.execute(insert(BlobIntent).values(values).on_conflict_do_nothing())


async def _raise(connection: AsyncConnection, base: str, number: int) -> None:
    """Sets the first incarnation that may be used, unless it is a later one already."""
    if number <= 0:
        return
    statement = insert(RetiredKey).values(key=base, incarnation=number)
    later = {"incarnation": statement.excluded.incarnation, "retired_at": func.now()}
    earlier = RetiredKey.incarnation < statement.excluded.incarnation
    await connection.execute(statement.on_conflict_do_update(index_elements=["key"], set_=later, where=earlier))


def _folder(base: str) -> str:
    """The folder with which a rendition's key can be given up; empty for originals, which have none."""
    sha256 = keys.content_of(base)
    return keys.renditions(sha256) if sha256 and base.startswith(keys.RENDITIONS) else ""


async def postpone(connection: AsyncConnection, key: str, grace: timedelta) -> None:
    """Has an object that was given up kept for ``grace`` from now."""
    later = update(BlobGarbage).where(BlobGarbage.key == key)
    await connection.execute(later.values(due_at=func.now() + grace))
