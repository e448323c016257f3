"""Direct uploads as the JSON that clients see (``schemas.DirectUploadShape``)."""

from __future__ import annotations

from typing import Any

from heliograph_common.clock import rfc3339
from heliograph_gateway.catalog import representation
from heliograph_gateway.uploads.direct.queries import UploadRow
from heliograph_gateway.uploads.direct.service import DirectUploads


async def shown(service: DirectUploads, row: UploadRow) -> dict[str, Any]:
    """The upload; while it is open, with a new signed URL."""
    path = f"/v1/uploads/{row.id}"
    is_open = row.state == "open"
    return {
        "id": str(row.id),
        "state": row.state,
        "name": row.name,
        "bytes": row.bytes,
        "sha256": row.sha256,
        "priority": row.priority,
        "analyze": row.analysis_profile,
        "created_at": rfc3339(row.created_at),
        "expires_at": rfc3339(row.expires_at),
        "upload": await _put(service, row) if is_open else None,
        "image": await _image(service, row),
        "problem": row.problem,
        "links": {"self": path, "complete": f"{path}/complete"} if is_open else {"self": path},
    }


async def _put(service: DirectUploads, row: UploadRow) -> dict[str, Any]:
    """The request that sends the file."""
    url, expires_at = await service.signed_put(row)
    return {
        "method": "PUT",
        "url": url,
        "headers": {"Content-Type": "application/octet-stream"},
        "expires_at": rfc3339(expires_at),
    }


async def _image(service: DirectUploads, row: UploadRow) -> dict[str, Any] | None:
    found = await service.image_of(row)
    return None if found is None else representation.image(*found)
