"""Rows in the shapes of the systems that Heliograph replaces (``schemas``). Pure.

``tests/contracts/golden/compat`` holds a sample of each, which no release may change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from heliograph_common.blobs import keys
from heliograph_common.clock import rfc3339
from heliograph_common.db.imports import counts_of
from heliograph_common.db.rows import Row
from heliograph_common.db.statements import ImageRow
from heliograph_common.runtime.health import Report
from heliograph_gateway.compat.schemas import TaskStatus, Well

_TASK_STATUS: dict[str, TaskStatus] = {
    "pending": "PENDING",
    "processing": "STARTED",
    "complete": "SUCCESS",
    "failed": "FAILURE",
}
_IMPORT_STATUS: dict[str, TaskStatus] = {
    "queued": "PENDING",
    "running": "STARTED",
    "completed": "SUCCESS",
    "failed": "FAILURE",
    "canceled": "FAILURE",
}


SERVICE = "heliograph-gateway"


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


def import_queued(row: Row[Any]) -> dict[str, Any]:
    """The answer to an import (``OldImport``)."""
    return {"message": "Import job queued", "task_id": str(row.id)}


def import_task(task_id: str, row: Row[Any]) -> dict[str, Any]:
    """The import ``row`` (``OldTask``)."""
    status = _IMPORT_STATUS[row.status]
    result: Any = None
    if status == "SUCCESS":
        result = msgspec.to_builtins(counts_of(row))
    elif status == "FAILURE":
        result = row.error or "the import was canceled"
    return {"task_id": task_id, "status": status, "result": result}


def food(result: Mapping[str, Any], source: str, entry_id: str | None) -> dict[str, Any]:
    """The answer to a meal (``OldFood``); ``result`` is that of the profile ``food``, and has what that service told and
    more."""
    told = {name: result[name] for name in _MEAL}
    entry = {} if entry_id is None else {"entryId": entry_id}
    return {"analysis": told | entry, "source": source}


def queue(state: Mapping[str, Any]) -> dict[str, Any]:
    """The queue (``OldQueue``) from ``queue.service``, which knows NATS' part."""
    counts = _counts(state)
    return {**counts, "total": sum(counts.values())}


def well(report: Report) -> bool:
    """Whether all can be used, as these clients ask it: a gateway that takes requests and has a database and an object store
    to answer them with."""
    needed = (report.checks.get(name) for name in ("database", "blobs"))
    return report.ready and all(result is None or result.status == "ok" for result in needed)


def health(report: Report, service: str, *, configured: bool, in_grace: bool) -> dict[str, Any]:
    """How ``service`` is (``OldHealth``). ``configured``: whether a model can be asked. ``in_grace``: it has just started,
    so that what is not there is still to come, and no reason to restart it."""
    complete = configured and all(result.status == "ok" for result in report.checks.values())
    startup = in_grace and not complete
    return {
        "status": _well(startup or well(report)),
        "service": service,
        "startup_mode": startup,
        "checks": {
            "redis": _connected(report),
            "openai": "configured" if configured else "missing credentials",
            **{name: _well(result.status == "ok") for name, result in report.checks.items()},
        },
    }


def system_health(report: Report, state: Mapping[str, Any] | None, *, now: datetime, version: str) -> dict[str, Any]:
    """How all is (``OldSystemHealth``); ``state``: the queue's, ``None`` where the database is away."""
    known = state is not None and state["waiting"] is not None
    counts = _counts(state) if state is not None and known else dict.fromkeys(_COUNTED)
    services: dict[str, Any] = {
        name: {"status": _well(result.status == "ok")}
        for check, result in report.checks.items()
        for name in (check, *_OLDER_NAMES.get(check, ()))
    }
    return {
        "status": "degraded" if report.status == "degraded" and well(report) else _well(well(report)),
        "timestamp": rfc3339(now),
        "version": version,
        "services": {**services, "queue": {"status": _well(known), **counts}},
    }


_OLDER_NAMES = {"nats": ("redis",), "blobs": ("minio",)}
"""What did for the older systems what our servers do."""
_MEAL = (
    "name", "calories", "protein", "carbs", "fat", "servingSize", "ingredients", "confidence", "mealSuggestions",
)  # fmt: skip
_COUNTED = ("waiting", "active", "completed", "failed")


def _counts(state: Mapping[str, Any]) -> dict[str, Any]:
    return {name: state[name] for name in _COUNTED} | {"waiting": state["waiting"] + state["delayed"]}


def _connected(report: Report) -> str:
    result = report.checks.get("nats")
    if result is None:
        return "not configured"
    return "connected" if result.status == "ok" else "connection failed"


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
