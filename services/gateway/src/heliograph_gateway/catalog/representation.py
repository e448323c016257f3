"""Rows as the JSON that clients see. Pure; the shapes are those of ``schemas``."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from heliograph_common.clock import rfc3339
from heliograph_common.contracts.messages import progress
from heliograph_common.db.rows import Row
from heliograph_common.db.statements import ImageRow, stages_of

ORIGINAL = "original"
"""What clients call the upload itself, beside the names of its renditions."""

_U64 = (1 << 64) - 1


def image(row: ImageRow, renditions: Sequence[Row[Any]]) -> dict[str, Any]:
    """An image with its renditions, as every route returns it."""
    path = f"/v1/images/{row.id}"
    stages = stages_of(row)
    return {
        "id": str(row.id),
        "revision": row.revision,
        "name": row.name,
        "source": row.source,
        "sha256": row.sha256,
        "bytes": row.bytes,
        "mime_type": row.mime_type,
        "width": row.width,
        "height": row.height,
        "frames": row.frames,
        "taken_at": _time(row.taken_at),
        "created_at": rfc3339(row.created_at),
        "updated_at": rfc3339(row.updated_at),
        "priority": row.priority,
        "requested_priority": row.requested_priority,
        "notice": _notice(row),
        "thumbhash": row.thumbhash,
        "dominant_color": row.dominant_color,
        "phash": None if row.phash is None else f"{row.phash & _U64:016x}",
        "exif": row.exif,
        "caption": row.caption,
        "alt_text": row.alt_text,
        "tags": row.tags,
        "status": row.processing_status,
        "progress": progress(stages),
        "stages": msgspec.to_builtins(stages),
        "error": _error(row),
        "completed_at": _time(row.processing_completed_at),
        "renditions": [rendition(path, each) for each in renditions],
        "links": {"self": path, "original": f"{path}/renditions/original"},
    }


def rendition(image_path: str, row: Row[Any]) -> dict[str, Any]:
    """One rendition of an image."""
    return {
        "name": row.name,
        "kind": row.kind,
        "width": row.width,
        "height": row.height,
        "format": row.format,
        "bytes": row.bytes,
        "limited": row.limited,
        "url": f"{image_path}/renditions/{row.name}",
    }


def _notice(row: ImageRow) -> str | None:
    if row.requested_priority is None or row.processing_status != "pending":
        return None
    return (
        f"Queued at priority `{row.priority}` instead of `{row.requested_priority}` because many of your images are "
        "waiting. It is rendered after them, and after the images of owners who have few waiting."
    )


def _error(row: ImageRow) -> dict[str, Any] | None:
    if row.processing_error is None:
        return None
    return {
        "reason": row.processing_error,
        "retryable": row.processing_retryable is not False,
        "attempts": row.processing_attempts,
    }


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else rfc3339(moment)
