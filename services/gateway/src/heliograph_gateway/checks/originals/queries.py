"""Keys of originals that rows name, and which objects no row names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from heliograph_gateway.checks.objects import ObjectKey

# Hashes are hexadecimal and of one length, which every collation orders alike: their index can be used. Keys are not.
_KEY = "'originals/' || sha256 || CASE WHEN incarnation = 0 THEN '' ELSE '.' || incarnation END"
_PAGE = text(f"""
    SELECT {_KEY} AS key, array_agg(DISTINCT bytes) AS sizes FROM images
    WHERE sha256 >= :sha256 AND ({_KEY}) COLLATE "C" > :after
    GROUP BY sha256, incarnation ORDER BY sha256, ({_KEY}) COLLATE "C" LIMIT :limit
""")  # noqa: S608 - constants
_LIVE = text(f"""
    SELECT id, owner, processing_status, bytes FROM images
    WHERE sha256 = :sha256 AND ({_KEY}) COLLATE "C" = :key AND deleted_at IS NULL ORDER BY id LIMIT :limit
""")  # noqa: S608 - constants
_UNNAMED = text("""
    SELECT key FROM unnest(CAST(:keys AS text[]), CAST(:contents AS text[]), CAST(:incarnations AS int[]))
        AS object (key, sha256, incarnation)
    WHERE NOT EXISTS (SELECT FROM images WHERE images.sha256 = object.sha256 AND images.incarnation = object.incarnation)
      AND NOT EXISTS (SELECT FROM blob_intents AS intent
                      WHERE intent.sha256 = object.sha256 AND intent.incarnation = object.incarnation)
      AND NOT EXISTS (SELECT FROM blob_garbage AS garbage WHERE garbage.key = object.key)
""")


async def unnamed(connection: AsyncConnection, objects: Sequence[ObjectKey]) -> set[str]:
    """The keys of those ``objects`` that nothing names."""
    values = {
        "keys": [each.key for each in objects],
        "contents": [each.sha256 for each in objects],
        "incarnations": [each.incarnation for each in objects],
    }
    return set((await connection.execute(_UNNAMED, values)).scalars())


async def sizes(connection: AsyncConnection, sha256: str, after: str, limit: int) -> dict[str, list[int]]:
    """The sizes in bytes that the images of the next keys have. ``sha256``: the content that ``after`` is of."""
    place = {"sha256": sha256, "after": after, "limit": limit}
    return {row.key: row.sizes for row in await connection.execute(_PAGE, place)}


async def live_images(connection: AsyncConnection, sha256: str, key: str, limit: int) -> Sequence[Row[Any]]:
    """Images that are not deleted whose original is at ``key``: id, owner, processing_status, bytes."""
    return (await connection.execute(_LIVE, {"sha256": sha256, "key": key, "limit": limit})).all()
