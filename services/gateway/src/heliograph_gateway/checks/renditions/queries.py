"""Keys of renditions that rows name, and which objects no row names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Row, case, delete, func, or_, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from heliograph_common.db.image_models import Image, Rendition
from heliograph_common.db.statements import ImageRow
from heliograph_gateway.checks.objects import ObjectKey

_STAGES = {"thumbnail": Image.thumbnail_status, "variant": Image.variant_status}
_PAGE = text("""
    SELECT key COLLATE "C" AS key, array_agg(DISTINCT bytes) AS sizes FROM renditions
    WHERE key COLLATE "C" > :after GROUP BY key COLLATE "C" ORDER BY key COLLATE "C" LIMIT :limit
""")
_LIVE = text("""
    SELECT image_id, owner, renditions.name, renditions.key, renditions.bytes,
           'originals/' || sha256 || CASE WHEN incarnation = 0 THEN '' ELSE '.' || incarnation END AS original
    FROM renditions JOIN images ON images.id = image_id
    WHERE key COLLATE "C" = :key AND deleted_at IS NULL ORDER BY image_id LIMIT :limit
""")
# An object of a content that is being rendered may be about to get its row, however old it is.
_UNNAMED = text("""
    SELECT key FROM unnest(CAST(:keys AS text[]), CAST(:contents AS text[]), CAST(:incarnations AS int[]))
        AS object (key, sha256, incarnation)
    WHERE NOT EXISTS (SELECT FROM renditions WHERE renditions.key COLLATE "C" = object.key)
      AND NOT EXISTS (SELECT FROM replaced_renditions AS replaced WHERE replaced.key = object.key)
      AND NOT EXISTS (SELECT FROM blob_garbage AS garbage
                      WHERE garbage.key IN (object.key, 'renditions/' || object.sha256 || '/'))
      AND NOT EXISTS (SELECT FROM images JOIN work ON work.kind = 'render' AND work.target = images.id
                      WHERE images.sha256 = object.sha256)
""")


async def unnamed(connection: AsyncConnection, objects: Sequence[ObjectKey]) -> set[str]:
    """The keys of those ``objects`` that nothing names."""
    values = {
        "keys": [each.key for each in objects],
        "contents": [each.sha256 for each in objects],
        "incarnations": [each.incarnation for each in objects],
    }
    return set((await connection.execute(_UNNAMED, values)).scalars())


async def sizes(connection: AsyncConnection, after: str, limit: int) -> dict[str, list[int]]:
    """The sizes in bytes that the renditions of the next keys have."""
    return {row.key: row.sizes for row in await connection.execute(_PAGE, {"after": after, "limit": limit})}


async def live_renditions(connection: AsyncConnection, key: str, limit: int) -> Sequence[Row[Any]]:
    """Renditions at ``key`` of images that are not deleted: image_id, owner, name, key, bytes, original."""
    return (await connection.execute(_LIVE, {"key": key, "limit": limit})).all()


async def without_renditions(
    connection: AsyncConnection, image: ImageRow, broken: Mapping[str, str]
) -> ImageRow | None:
    """Takes renditions (key by name) from an image that is locked, and makes it wait for them; ``None`` where it has none of
    them any more. What has begun, or has failed, stays as it is."""
    these = or_(*((Rendition.name == name) & (Rendition.key == key) for name, key in broken.items()))
    gone = delete(Rendition).where(Rendition.image_id == image.id, these).returning(Rendition.kind)
    kinds = set((await connection.execute(gone)).scalars())
    if not kinds:
        return None
    state = "failed" if image.processing_status == "failed" else "pending"
    values: dict[str, Any] = {_STAGES[kind].key: _unless_begun(_STAGES[kind], state) for kind in kinds}
    if image.processing_status == "complete":
        values |= {"processing_status": "pending", "processing_attempts": 0}
    changed = update(Image).where(Image.id == image.id).values(updated_at=func.now(), **values)
    return (await connection.execute(changed.returning(*Image.__table__.columns))).one()


def _unless_begun(column: Any, state: str) -> Any:
    return case((column == "processing", column), else_=state)
