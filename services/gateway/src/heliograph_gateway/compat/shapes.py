"""What the systems that Heliograph replaces answered, and rows in those shapes. Pure.

``routes/compat.py`` answers with these; ``tests/contracts/golden/compat`` holds a sample of each, which no release may
change. Names, nesting and types are those systems'; ids were numbers there and are UUIDs here, hashes MD5 and are SHA-256.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from heliograph_common.blobs import keys
from heliograph_common.clock import rfc3339
from heliograph_common.db.rows import Row
from heliograph_common.db.statements import ImageRow
from heliograph_common.runtime.health import Report
from heliograph_gateway.catalog.schemas import State
from heliograph_gateway.http.schemas import Shape

Well = Literal["healthy", "unhealthy"]
TaskStatus = Literal["PENDING", "STARTED", "SUCCESS", "FAILURE"]

_TASK_STATUS: dict[str, TaskStatus] = {
    "pending": "PENDING",
    "processing": "STARTED",
    "complete": "SUCCESS",
    "failed": "FAILURE",
}


class OldImage(Shape):
    """The image record. Heliograph has no albums and no playlists. ``file_path`` is the original's key in the object store;
    ``thumbnail_url`` leads to the middle one of the thumbnail sizes, once it is rendered."""

    id: UUID
    filename: str
    original_filename: str
    file_path: str
    album_id: None
    width: int
    height: int
    file_size: int
    mime_type: str
    file_hash: str
    exif: dict[str, Any] | None
    dominant_colors: list[str] | None
    uploaded_at: datetime
    playlist_id: None
    url: str
    thumbnail_url: str
    processing_status: State
    thumbnail_status: State
    variant_status: State
    processing_error: str | None
    processing_attempts: int
    last_processing_attempt: datetime | None
    processing_completed_at: datetime | None


class OldUpload(Shape):
    """A picture was taken in and is being rendered."""

    message: str
    data: OldImage
    status_code: Literal[200]
    background_processing: Literal[True]


class OldDuplicate(Shape):
    """The caller has had the same bytes before."""

    message: str
    data: OldImage
    status_code: Literal[200]
    is_duplicate: Literal[True]


class OldRetry(Shape):
    """``status`` is the image's; where it had not failed, nothing was queued."""

    message: str
    image_id: UUID
    status: State


class OldListed(Shape):
    """An image in the list; ``size`` in bytes."""

    id: UUID
    name: str
    size: int
    mime_type: str
    source: str
    created_at: datetime


class OldList(Shape):
    """All images, newest first, and how many there are."""

    images: list[OldListed]
    count: int


class OldTask(Shape):
    """``result``: the image, once it is rendered; the reason, where that failed; else null."""

    task_id: str
    status: TaskStatus
    result: OldListed | str | None


class OldQueue(Shape):
    """``waiting`` has what waits for its next attempt too; ``completed`` and ``failed``: within 24 hours."""

    waiting: int
    active: int
    completed: int
    failed: int
    total: int


class OldHealth(Shape):
    """``startup_mode`` is ``degraded`` while something is away, also what uploads can do without."""

    status: Well
    service: str
    startup_mode: Literal["normal", "degraded"]
    checks: dict[str, Well]


class OldService(Shape):
    """A server behind the gateway."""

    status: Well


class OldQueueHealth(Shape):
    """The queue, as in ``OldQueue``; nulls where nothing can be known of it."""

    status: Well
    waiting: int | None
    active: int | None
    completed: int | None
    failed: int | None


class OldSystemHealth(Shape):
    """All servers by name, and ``queue``."""

    status: Literal["healthy", "degraded", "unhealthy"]
    timestamp: datetime
    version: str
    services: dict[str, OldQueueHealth | OldService]


def uploaded(row: ImageRow, sizes: Sequence[Row[Any]], *, created: bool) -> dict[str, Any]:
    """The answer to an upload (``OldUpload``, ``OldDuplicate``); ``sizes`` as of ``statements.display_sizes``."""
    data = _image(row, sizes)
    if created:
        message = "Image uploaded successfully"
        return {"message": message, "data": data, "status_code": 200, "background_processing": True}
    message = "Duplicate image - already exists in library"
    return {"message": message, "data": data, "status_code": 200, "is_duplicate": True}


def retried(row: ImageRow, *, queued: bool) -> dict[str, Any]:
    """The answer to a retry (``OldRetry``)."""
    message = (
        "Processing retry queued successfully" if queued else f"Nothing to retry: processing is {row.processing_status}"
    )
    return {"message": message, "image_id": str(row.id), "status": row.processing_status}


def listed(row: ImageRow) -> dict[str, Any]:
    """An entry of the list (``OldListed``)."""
    return {
        "id": str(row.id),
        "name": row.name,
        "size": row.bytes,
        "mime_type": row.mime_type,
        "source": row.source,
        "created_at": rfc3339(row.created_at),
    }


def task(task_id: str, row: ImageRow | None) -> dict[str, Any]:
    """The processing of the image ``row`` (``OldTask``); ``None``: nobody knows of such a task, which Celery called
    pending as well."""
    status = "PENDING" if row is None else _TASK_STATUS[row.processing_status]
    result: Any = None
    if row is not None and status == "SUCCESS":
        result = listed(row)
    elif row is not None and status == "FAILURE":
        result = row.processing_error
    return {"task_id": task_id, "status": status, "result": result}


def queue(state: Mapping[str, Any]) -> dict[str, Any]:
    """The queue (``OldQueue``) from ``queue_state``, which knows NATS' part."""
    counts = _counts(state)
    return {**counts, "total": sum(counts.values())}


def well(report: Report) -> bool:
    """Whether all can be used, as these clients ask it: a gateway that takes requests and has a database and an object store
    to answer them with."""
    needed = (report.checks.get(name) for name in ("database", "blobs"))
    return report.ready and all(result is None or result.status == "ok" for result in needed)


def health(report: Report, service: str) -> dict[str, Any]:
    """How ``service`` is (``OldHealth``)."""
    return {
        "status": _well(well(report)),
        "service": service,
        "startup_mode": "normal" if all(result.status == "ok" for result in report.checks.values()) else "degraded",
        "checks": {name: _well(result.status == "ok") for name, result in report.checks.items()},
    }


def system_health(report: Report, state: Mapping[str, Any] | None, *, now: datetime, version: str) -> dict[str, Any]:
    """How all is (``OldSystemHealth``); ``state``: the queue's, ``None`` where the database is away."""
    known = state is not None and state["waiting"] is not None
    counts = _counts(state) if state is not None and known else dict.fromkeys(_COUNTED)
    services: dict[str, Any] = {
        name: {"status": _well(result.status == "ok")} for name, result in report.checks.items()
    }
    return {
        "status": "degraded" if report.status == "degraded" and well(report) else _well(well(report)),
        "timestamp": rfc3339(now),
        "version": version,
        "services": {**services, "queue": {"status": _well(known), **counts}},
    }


_COUNTED = ("waiting", "active", "completed", "failed")


def _counts(state: Mapping[str, Any]) -> dict[str, Any]:
    return {name: state[name] for name in _COUNTED} | {"waiting": state["waiting"] + state["delayed"]}


def _well(yes: bool) -> Well:
    return "healthy" if yes else "unhealthy"


def _image(row: ImageRow, sizes: Sequence[Row[Any]]) -> dict[str, Any]:
    path = f"/v1/images/{row.id}/renditions"
    thumbnails = sorted((size.width, size.name) for size in sizes if size.kind == "thumbnail")
    return {
        "id": str(row.id),
        "filename": f"{row.id}.{row.mime_type.rpartition('/')[2]}",
        "original_filename": row.name,
        "file_path": keys.original(row.sha256, row.incarnation),
        "album_id": None,
        "width": row.width,
        "height": row.height,
        "file_size": row.bytes,
        "mime_type": row.mime_type,
        "file_hash": row.sha256,
        "exif": row.exif,
        "dominant_colors": None if row.dominant_color is None else [row.dominant_color],
        "uploaded_at": rfc3339(row.created_at),
        "playlist_id": None,
        "url": f"{path}/original",
        "thumbnail_url": f"{path}/{thumbnails[len(thumbnails) // 2][1] if thumbnails else 'original'}",
        "processing_status": row.processing_status,
        "thumbnail_status": row.thumbnail_status,
        "variant_status": row.variant_status,
        "processing_error": row.processing_error,
        "processing_attempts": row.processing_attempts,
        "last_processing_attempt": _time(row.last_processing_attempt),
        "processing_completed_at": _time(row.processing_completed_at),
    }


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else rfc3339(moment)
