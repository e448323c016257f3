"""Rows of imports and their files as the JSON that clients see. Pure; the shapes are those of ``schemas``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from heliograph_common.clock import rfc3339
from heliograph_common.db.import_waits import Waiting, remaining_of
from heliograph_common.db.imports import counts_of, progress_of
from heliograph_common.db.rows import Row


@dataclass(frozen=True)
class Pages:
    """The pages of an import: all, those listed, those that are the first of a folder, and the first that failed."""

    all: int = 0
    listed: int = 0
    folders: int = 0
    failed: Sequence[Row[Any]] = field(default_factory=tuple)


def path_of(import_id: UUID) -> str:
    """Where an import is."""
    return f"/v1/imports/{import_id}"


def import_(row: Row[Any], pages: Pages, waiting: Waiting | None) -> dict[str, Any]:
    """An import, as every route returns it. ``row`` is of ``queries.COLUMNS``: it has no token, so none can be shown."""
    path = path_of(row.id)
    return {
        "id": str(row.id),
        "revision": row.revision,
        "source": row.source,
        "url": row.url,
        "name": row.name,
        "status": row.status,
        "recursive": row.recursive,
        "analyze": row.analysis_profile or "",
        "credential": row.credential,
        "counts": msgspec.to_builtins(counts_of(row)),
        "progress": progress_of(row),
        "listing": _listing(row, pages),
        "bytes": {"found": row.found_bytes, "imported": row.imported_bytes},
        "rate": {"files_per_second": row.files_per_second, "bytes_per_second": row.bytes_per_second},
        "remaining_seconds": remaining_of(row),
        "waiting": None if waiting is None else {"reason": waiting.reason, "until": rfc3339(waiting.until)},
        "error": None if row.error is None else {"code": row.error_code or "failed", "detail": row.error},
        "created_at": rfc3339(row.created_at),
        "started_at": _time(row.started_at),
        "finished_at": _time(row.finished_at),
        "links": {"self": path, "files": f"{path}/files"},
    }


def file(row: Row[Any]) -> dict[str, Any]:
    """A file of an import. That its command was sent is nothing to clients: it still waits."""
    return {
        "id": str(row.id),
        "name": row.name,
        "path": row.path,
        "status": "queued" if row.status == "sent" else row.status,
        "bytes": row.bytes,
        "mime_type": row.mime_type,
        "code": row.code,
        "reason": row.reason,
        "attempts": row.attempts,
        "image_id": None if row.image_id is None else str(row.image_id),
        "finished_at": _time(row.finished_at),
        "links": {} if row.image_id is None else {"image": f"/v1/images/{row.image_id}"},
    }


def _listing(row: Row[Any], pages: Pages) -> dict[str, Any]:
    return {
        "complete": row.listed,
        "folders": pages.folders,
        "pages": pages.all,
        "pages_listed": pages.listed,
        "errors": [
            {"path": page.path, "code": page.error_code or "failed", "reason": page.error or "unknown"}
            for page in pages.failed
        ],
    }


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else rfc3339(moment)
