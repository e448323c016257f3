"""Images whose perceptual hash is similar to another's, by Hamming distance.

Multi-index hashing (Norouzi, Punjani, Fleet: Fast search in Hamming space with multi-index hashing, CVPR 2012): of 64 bits
in three bands, two hashes at distance d agree in at least one band up to floor(d/3) bits. All values of a band within that
radius are looked up in its index, which begins with the owner and holds the hash; candidates are then counted exactly, so
the answer is that of a full comparison.

Look-ups for distances 0 to 2, 3 to 5, 6 to 8 and 9 to 11: 3, 67, 718 and 4,918, whatever the number of images. Each finds
few candidates as long as hashes differ: a band has two to four million values. With an owner's 10,000 and 1,000,000 random
hashes a page took 3.2 and 3.4 ms at distance 8, 11 and 13 ms at 11 (PostgreSQL 18, one core).

Limits: for distances 12 to 16 look-ups would be 24,000 and more, so all of the owner's hashes are read from one index
instead, which is linear in that owner's images (76 ms a million) and in nothing else; and pictures without structure (blank
pages) share few hashes, so that near one of them all of them are candidates, counted and sorted for every page.
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
    Row,
    Select,
    and_,
    cast,
    func,
    literal,
    literal_column,
    or_,
    select,
    text,
    true,
    union,
)
from sqlalchemy.dialects.postgresql import BIT
from sqlalchemy.ext.asyncio import AsyncConnection

from heliograph_common.db.image_models import PHASH_BANDS, Image
from heliograph_gateway.images.queries import ImageFilter, conditions
from heliograph_gateway.images.search.queries import matches
from heliograph_gateway.images.search.words import Clause

FARTHEST = 16
_FARTHEST_BY_BANDS = 11


@dataclass(frozen=True)
class Similar:
    """Images within ``distance`` bits of ``phash`` (signed, as PostgreSQL keeps it), without the image ``of`` itself."""

    of: UUID
    phash: int
    distance: int


@dataclass(frozen=True)
class Position:
    """Where a page ended."""

    distance: int
    image_id: UUID


async def similar_page(
    connection: AsyncConnection,
    owner: str,
    to: Similar,
    wanted: ImageFilter,
    search: Sequence[Clause] | None = None,
    *,
    after: Position | None,
    limit: int,
) -> Sequence[Row[Any]]:
    """Up to ``limit`` images of the owner with their ``distance``, nearest first, then newest first."""
    found = candidates(owner, to).subquery()
    chosen = select(found.c.id, found.c.distance).where(found.c.id != to.of)
    if after is not None:
        same = and_(found.c.distance == after.distance, found.c.id < after.image_id)
        chosen = chosen.where(or_(found.c.distance > after.distance, same))
    filters = conditions(wanted) + ([] if search is None else [matches(search, Image.id)])
    if not filters:
        chosen = chosen.order_by(found.c.distance, found.c.id.desc()).limit(limit)
    ids = chosen.cte("similar")
    image = select(Image.__table__).where(Image.id == ids.c.id, *filters).offset(0).lateral("image")  # see _looked_up
    statement = select(image, ids.c.distance).select_from(ids.join(image, true()))
    await connection.execute(text("SET LOCAL jit = off"))  # compiled for the rows it expects, it would be slower by far
    return (await connection.execute(statement.order_by(ids.c.distance, image.c.id.desc()).limit(limit))).all()


def candidates(owner: str, to: Similar) -> Any:
    """Ids and distances, read from indexes alone."""
    distance = func.bit_count(cast(Image.phash.op("#")(cast(to.phash, BigInteger)), BIT(64)))
    hashed = select(Image.id, distance.label("distance")).where(
        Image.owner == owner, Image.deleted_at.is_(None), Image.phash.is_not(None), distance <= to.distance
    )
    if to.distance > _FARTHEST_BY_BANDS:
        return hashed
    return union(*(_looked_up(band, hashed, to) for band in range(len(PHASH_BANDS))))


def neighbours(value: int, bits: int, radius: int) -> list[int]:
    """All numbers of ``bits`` bits that differ from ``value`` in at most ``radius`` of them."""
    return [
        value ^ sum(1 << bit for bit in flipped)
        for count in range(radius + 1)
        for flipped in combinations(range(bits), count)
    ]


def _looked_up(band: int, hashed: Select[UUID, int], to: Similar) -> Select[UUID, int]:
    """``hashed`` for each value that the band may have. ``OFFSET 0`` keeps PostgreSQL from turning the look-ups into a
    join with all of the table: it expects far more rows than there are."""
    expression, shift, bits = PHASH_BANDS[band]
    value = (to.phash >> shift) & ((1 << bits) - 1)
    values = literal(neighbours(value, bits, to.distance // len(PHASH_BANDS)), ARRAY(BigInteger))
    each = func.unnest(values).table_valued("value").render_derived()
    found = hashed.where(literal_column(expression, BigInteger) == each.c.value).offset(0).lateral()
    return select(found.c.id, found.c.distance).select_from(each).join(found, true())
