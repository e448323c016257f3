"""Images whose perceptual hash is near another's, by Hamming distance. ``routes/images.py`` pages through them.

Multi-index hashing (Norouzi, Punjani, Fleet: Fast search in Hamming space with multi-index hashing, CVPR 2012): of 64 bits
in three bands, two hashes at distance d agree in at least one band up to floor(d/3) bits. All values of a band within that
radius are looked up in its index, which begins with the owner and holds the hash; candidates are then counted exactly, so
the answer is that of a full comparison.

Look-ups for distances 0 to 2, 3 to 5, 6 to 8 and 9 to 11: 3, 67, 718 and 4,918, whatever the number of images. Each finds
few candidates as long as hashes differ: a band has two to four million values. Limits: for distances 12 to 16 look-ups
would be 24,000 and more, so all of the owner's hashes are read from one index instead, which is linear in that owner's
images and in nothing else; and pictures without structure (blank pages) share few hashes, so that near one of them all of
them are candidates, counted and sorted for every page.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Row,
    and_,
    any_,
    cast,
    func,
    literal,
    literal_column,
    or_,
    select,
    union,
)
from sqlalchemy.dialects.postgresql import BIT
from sqlalchemy.ext.asyncio import AsyncConnection

from heliograph_common.db.models import PHASH_BANDS, Image
from heliograph_gateway.queries import ImageFilter, conditions

FARTHEST = 16
_FARTHEST_BY_BANDS = 11


@dataclass(frozen=True)
class Near:
    """Images within ``distance`` bits of ``phash`` (signed, as PostgreSQL keeps it), without the image ``of`` itself."""

    of: UUID
    phash: int
    distance: int


@dataclass(frozen=True)
class Position:
    """Where a page ended."""

    distance: int
    image_id: UUID


async def page(
    connection: AsyncConnection, owner: str, near: Near, wanted: ImageFilter, *, after: Position | None, limit: int
) -> Sequence[Row[Any]]:
    """Up to ``limit`` images of the owner with their ``distance``, nearest first, then newest first."""
    found = candidates(owner, near).cte("near")
    statement = (
        select(Image.__table__, found.c.distance)
        .join(found, found.c.id == Image.id)
        .where(Image.id != near.of, Image.owner == owner, Image.deleted_at.is_(None), *conditions(wanted))
        .order_by(found.c.distance, Image.id.desc())
        .limit(limit)
    )
    if after is not None:
        same = and_(found.c.distance == after.distance, Image.id < after.image_id)
        statement = statement.where(or_(found.c.distance > after.distance, same))
    return (await connection.execute(statement)).all()


def candidates(owner: str, near: Near) -> Any:
    """Ids and distances, read from indexes alone."""
    distance = func.bit_count(cast(Image.phash.op("#")(cast(near.phash, BigInteger)), BIT(64)))
    hashed = select(Image.id, distance.label("distance")).where(
        Image.owner == owner, Image.deleted_at.is_(None), Image.phash.is_not(None), distance <= near.distance
    )
    if near.distance > _FARTHEST_BY_BANDS:
        return hashed
    return union(*(hashed.where(_band_is_near(band, near)) for band in range(len(PHASH_BANDS))))


def neighbours(value: int, bits: int, radius: int) -> list[int]:
    """All numbers of ``bits`` bits that differ from ``value`` in at most ``radius`` of them."""
    return [
        value ^ sum(1 << bit for bit in flipped)
        for count in range(radius + 1)
        for flipped in combinations(range(bits), count)
    ]


def _band_is_near(band: int, near: Near) -> ColumnElement[bool]:
    expression, shift, bits = PHASH_BANDS[band]
    value = (near.phash >> shift) & ((1 << bits) - 1)
    values = neighbours(value, bits, near.distance // len(PHASH_BANDS))
    return literal_column(expression, BigInteger) == any_(literal(values, ARRAY(BigInteger)))
