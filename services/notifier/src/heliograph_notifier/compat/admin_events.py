"""The four events of ``/api/ws/admin``, in the JSON of the system whose administrators' pages listen there. Pure.

Golden samples are in ``tests/contracts/golden/compat``.
``revision`` is the one key that the old system did not have.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

OLD_TYPES = {
    "image.thumbnails_ready": "image:processing:thumbnail_complete",
    "image.variants_ready": "image:processing:variant_complete",
    "image.ready": "image:processing:complete",
    "image.failed": "image:processing:failed",
}
"""What each event of ours was called. Others had no counterpart and are not sent."""


def admin_event(event_type: str, time: str, data: Mapping[str, Any]) -> bytes:
    """The JSON of an event whose type is one of ``OLD_TYPES``; ``time`` and ``data`` are the CloudEvent's."""
    told: dict[str, Any] = {"type": OLD_TYPES[event_type], "image_id": data.get("image_id"), "timestamp": time}
    if event_type == "image.failed":
        told |= {"status": "failed", "error": data.get("reason")}
    else:
        told |= {"status": "complete", "metadata": _metadata(event_type, data)}
    return msgspec.json.encode({**told, "revision": data.get("revision", 0)})


def _metadata(event_type: str, data: Mapping[str, Any]) -> dict[str, Any]:
    if event_type == "image.thumbnails_ready":
        return {"thumbnail_count": len(data.get("renditions", ()))}
    if event_type == "image.variants_ready":
        return {"variant_count": len(data.get("renditions", ()))}
    return {"all_stages_complete": True}
