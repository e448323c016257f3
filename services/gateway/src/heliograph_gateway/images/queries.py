"""Pages of images and their deletion. Every page is keyset pagination on the id, a UUIDv7, so a page costs the same
wherever it is. Filters that no index serves look at a bounded number of images a page: a page may be short, or empty, and
still have a next one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, func, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import InstrumentedAttribute

from heliograph_common.contracts.messages import IMAGE_KINDS
from heliograph_common.db import analyses, work
from heliograph_common.db.image_models import Image, Rendition
from heliograph_common.db.statements import ImageRow

_LEAST, _GREATEST = UUID(int=0), UUID(int=(1 << 128) - 1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CLOCKS_APART = timedelta(hours=1)
"""More than the clock that makes ids may differ from PostgreSQL's, which sets ``created_at``."""

EXAMINED = 5_000
"""Images that one page looks at, at most, for filters that no index serves."""


@dataclass(frozen=True, kw_only=True)
class ImageFilter:
    """Which images of one owner; ``None`` filters nothing. ``after`` is inclusive, ``before`` exclusive. ``name`` is text in
    the name; ``q`` is searched for by ``search.queries``, and not looked at here."""

    status: str | None = None
    source: str | None = None
    name: str | None = None
    q: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    taken_after: datetime | None = None
    taken_before: datetime | None = None

    def as_query(self) -> dict[str, Any]:
        """What a cursor is bound to."""
        return {"list": "images", **asdict(self)}


@dataclass(frozen=True)
class PageOfImages:
    """Images, newest first, and the id after which the next page begins; ``None`` on the last."""

    rows: Sequence[ImageRow]
    next: UUID | None


async def page_of_images(
    connection: AsyncConnection, owner: str, wanted: ImageFilter, *, before: UUID | None, limit: int
) -> PageOfImages:
    """Up to ``limit`` images older than the image ``before``, of at most ``EXAMINED`` that are looked at."""
    window = window_of(owner, wanted, before)
    if not _not_indexed(wanted, Image.__table__.c):
        rows = (await connection.execute(window.limit(limit + 1))).all()
        return PageOfImages(rows[:limit], rows[limit - 1].id if len(rows) > limit else None)
    seen = window.limit(EXAMINED).subquery()
    # In the order that the index gives, all of it: else PostgreSQL reads and sorts the window before the first row.
    order = (seen.c[column.key].desc() for column in (*_prefix(owner, wanted)[0], Image.id))
    found = select(seen).where(*_not_indexed(wanted, seen.c)).order_by(*order)
    rows = (await connection.execute(found.limit(limit + 1))).all()
    if len(rows) > limit:
        return PageOfImages(rows[:limit], rows[limit - 1].id)
    last_seen = window.with_only_columns(Image.id).offset(EXAMINED - 1).limit(1)
    return PageOfImages(rows, (await connection.execute(last_seen)).scalar_one_or_none())


def window_of(owner: str, wanted: ImageFilter, before: UUID | None) -> Select[Any]:
    """The owner's images, newest first, from one index on (owner, id), (owner, status, id) or (owner, source, id).

    Written as a range of that index. Asked for ``owner = …`` in the order of ids, PostgreSQL may walk the ids of all
    owners instead and skip those of others: quick for whoever has many new images, a walk through millions of rows for
    whoever has many old ones. It cannot know which it is.
    """
    columns, values = _prefix(owner, wanted)
    first, end = span(wanted, before)
    key = tuple_(*columns, Image.id)
    return (
        select(Image.__table__)
        .where(key >= tuple_(*values, first), key < tuple_(*values, end), Image.deleted_at.is_(None))
        .order_by(*(column.desc() for column in (*columns, Image.id)))
    )


def span(wanted: ImageFilter, before: UUID | None) -> tuple[UUID, UUID]:
    """The ids among which the images are: from the first one to before the second one."""
    first = _LEAST if wanted.created_after is None else id_floor(wanted.created_after, -_CLOCKS_APART)
    end = _GREATEST if wanted.created_before is None else id_floor(wanted.created_before, _CLOCKS_APART)
    return first, end if before is None else min(end, before)


def _prefix(owner: str, wanted: ImageFilter) -> tuple[list[InstrumentedAttribute[str]], list[str]]:
    """The columns before the id in the index to use, and their values."""
    if wanted.status is not None:
        return [Image.owner, Image.processing_status], [owner, wanted.status]
    if wanted.source is not None:
        return [Image.owner, Image.source], [owner, wanted.source]
    return [Image.owner], [owner]


async def renditions_by_image(connection: AsyncConnection, ids: Sequence[UUID]) -> dict[UUID, list[Row[Any]]]:
    """The renditions of several images in the order of ``statements.renditions_of``."""
    statement = (
        select(Rendition.__table__)
        .where(Rendition.image_id.in_(ids))
        .order_by(Rendition.kind, Rendition.width, Rendition.name)
    )
    found: dict[UUID, list[Row[Any]]] = defaultdict(list)
    for row in (await connection.execute(statement)).all():
        found[row.image_id].append(row)
    return found


async def delete_image(connection: AsyncConnection, image_id: UUID) -> ImageRow:
    """Marks an image, which the caller has locked, as deleted; nothing is left to do for it."""
    gone = update(Image).where(Image.id == image_id).values(deleted_at=func.now(), updated_at=func.now())
    for kind in IMAGE_KINDS:
        await work.forget(connection, kind, image_id)
    await analyses.end(connection, image_id)
    return (await connection.execute(gone.returning(*Image.__table__.columns))).one()


def conditions(wanted: ImageFilter) -> list[Any]:
    """``wanted`` as SQL."""
    found: list[Any] = []
    if wanted.status is not None:
        found.append(Image.processing_status == wanted.status)
    if wanted.source is not None:
        found.append(Image.source == wanted.source)
    return found + _not_indexed(wanted, Image.__table__.c)


def _not_indexed(wanted: ImageFilter, image: Any) -> list[Any]:
    """What ``window_of`` leaves out, asked of the columns of a table or a subquery."""
    found: list[Any] = []
    if wanted.status is not None and wanted.source is not None:
        found.append(image.source == wanted.source)
    if wanted.name is not None:
        found.append(image.name.icontains(wanted.name, autoescape=True))
    if wanted.created_after is not None:
        found.append(image.created_at >= wanted.created_after)
    if wanted.created_before is not None:
        found.append(image.created_at < wanted.created_before)
    if wanted.taken_after is not None:
        found.append(image.taken_at >= wanted.taken_after)
    if wanted.taken_before is not None:
        found.append(image.taken_at < wanted.taken_before)
    return found


def id_floor(moment: datetime, slack: timedelta) -> UUID:
    """The smallest UUIDv7 of ``moment`` plus ``slack``: a bound that the index on ids can use (RFC 9562, 5.7)."""
    milliseconds = (moment - _EPOCH + slack) // timedelta(milliseconds=1)
    return UUID(int=min(max(milliseconds, 0), (1 << 48) - 1) << 80)
