"""``POST /v1/images``. The body is not read by FastAPI: it is streamed, after the caller is known."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from heliograph_common.contracts.subjects import Priority
from heliograph_common.http.problems import Problem
from heliograph_gateway.access.scopes import Writer
from heliograph_gateway.catalog.schemas import ImageShape, PriorityName
from heliograph_gateway.http.multipart import boundary_of
from heliograph_gateway.http.problems import (
    BAD_IMAGE,
    BLOBS_UNAVAILABLE,
    BODY_TOO_LARGE,
    EMPTY_IMAGE,
    IMAGE_TOO_LARGE,
    INVALID_MULTIPART,
    MISSING_FILE,
    TOO_MANY_FILES,
    UNKNOWN_PART,
    UNSUPPORTED_IMAGE,
    UNSUPPORTED_MEDIA_TYPE,
)
from heliograph_gateway.http.query import known_parameters
from heliograph_gateway.http.responses import problems
from heliograph_gateway.http.services import Db, provided
from heliograph_gateway.uploads import outcomes as answers
from heliograph_gateway.uploads.form.schemas import UploadOutcomes
from heliograph_gateway.uploads.form.service import FormUploads, Outcome
from heliograph_gateway.uploads.options import UploadOptions, profile_of

router = APIRouter(tags=["images"], dependencies=[Depends(known_parameters)])

_RAW_TYPES = ("application/octet-stream", "binary/octet-stream")
_ACCEPTED = "multipart/form-data, image/*, application/octet-stream"
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": (
            "One picture as it is, or several as parts named `file`. The fields `priority` and `analyze` count for the file "
            "right before them and for all after them and take the place of the parameters of that name; `name` is for a "
            "request with one file. The type is told by content, not by name or header."
        ),
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "additionalProperties": False,
                    "properties": {
                        "priority": {"type": "string", "enum": [priority.value for priority in Priority]},
                        "analyze": {"type": "string"},
                        "name": {"type": "string"},
                        "file": {"type": "array", "minItems": 1, "items": {"type": "string", "format": "binary"}},
                    },
                }
            },
            "image/*": {"schema": {"type": "string", "format": "binary"}},
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
        },
    }
}
_RESPONSES: dict[int | str, dict[str, Any]] = {
    201: {"model": ImageShape | UploadOutcomes, "description": "Accepted; one entry a file where there were several"},
    200: {"model": ImageShape | UploadOutcomes, "description": "The caller has had these bytes before"},
    **problems(
        INVALID_MULTIPART,
        MISSING_FILE,
        UNKNOWN_PART,
        IMAGE_TOO_LARGE,
        BODY_TOO_LARGE,
        TOO_MANY_FILES,
        UNSUPPORTED_IMAGE,
        UNSUPPORTED_MEDIA_TYPE,
        BAD_IMAGE,
        EMPTY_IMAGE,
        BLOBS_UNAVAILABLE,
    ),
}


@router.post("/v1/images", summary="Upload pictures", status_code=201, responses=_RESPONSES, openapi_extra=_BODY)
async def upload_images(
    request: Request,
    uploads: Annotated[FormUploads, Depends(provided(FormUploads))],
    database: Db,
    caller: Writer,
    priority: Annotated[PriorityName, Query()] = "normal",
    analyze: Annotated[str, Query(max_length=64, description="A profile: what a vision model is to tell.")] = "",
    name: Annotated[str, Query(max_length=4096, description="The picture's name, where there is one file.")] = "",
) -> Response:
    """Takes pictures in. 201 and the image, 200 when the caller has had the same bytes before; an analysis that was not
    asked for then is asked for now. Whoever has many pictures waiting has the next ones queued at `low`, whatever
    `priority` says: `requested_priority` and `notice` of the image tell so."""
    content_type = request.headers.get("content-type", "")
    essence = content_type.partition(";")[0].strip().lower()
    multipart = essence == "multipart/form-data"
    if not multipart and essence and not essence.startswith("image/") and essence not in _RAW_TYPES:
        raise Problem(UNSUPPORTED_MEDIA_TYPE, f"{essence[:100]} is not taken; send {_ACCEPTED}", headers=_accept())
    options = UploadOptions(priority=Priority(priority), profile=profile_of(analyze, uploads.profiles), name=name)
    boundary = boundary_of(content_type) if multipart else b""
    uploads.check_length(int(request.headers.get("content-length", 0)), multipart=multipart)
    body = request.stream()
    if multipart:
        outcomes = await uploads.multipart(body, boundary, caller.subject, options)
    else:
        accepted = await uploads.raw(body, caller.subject, options)
        outcomes = [Outcome(accepted.row.name, accepted)]
    if len(outcomes) > 1:
        entries = [await answers.entry(database, outcome.name, outcome.result) for outcome in outcomes]
        return answers.several(entries, "images", "parts")
    result = outcomes[0].result
    if isinstance(result, Problem):
        raise result
    return await answers.one(request, database, result)


def _accept() -> dict[str, str]:
    return {"Accept": _ACCEPTED}
