"""``POST /v1/images``. The body is not read by FastAPI: it is streamed, after the caller is known."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from heliograph_common.contracts.subjects import Priority
from heliograph_common.http.problems import Problem
from heliograph_gateway.access.scopes import Writer
from heliograph_gateway.catalog.schemas import IMAGES, ImageShape, PriorityName
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

router = APIRouter(tags=[IMAGES], dependencies=[Depends(known_parameters)])

_RAW_TYPES = ("application/octet-stream", "binary/octet-stream")
_ACCEPTED = "multipart/form-data, image/*, application/octet-stream"
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": (
            "One image as the raw body, or one or more as multipart parts named `file`. The fields `priority` and "
            "`analyze` apply "
            "to the file right before them and to all files after them, and override the query parameters of the same name. "
            "The format is detected from the content, not from the file name or `Content-Type`."
        ),
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "additionalProperties": False,
                    "properties": {
                        "priority": {
                            "type": "string",
                            "enum": [priority.value for priority in Priority],
                            "description": "Priority at which to render the images.",
                        },
                        "analyze": {"type": "string", "description": "Analysis profile. Empty for no analysis."},
                        "name": {"type": "string", "description": "Name of the image. Only with a single file."},
                        "file": {
                            "type": "array",
                            "minItems": 1,
                            "items": {"type": "string", "format": "binary"},
                            "description": "The images.",
                        },
                    },
                }
            },
            "image/*": {"schema": {"type": "string", "format": "binary"}},
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
        },
    }
}
_RESPONSES: dict[int | str, dict[str, Any]] = {
    201: {
        "model": ImageShape | UploadOutcomes,
        "description": "At least one image is new. With several files, one entry per file.",
    },
    200: {"model": ImageShape | UploadOutcomes, "description": "The caller already has all images that were accepted."},
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


@router.post("/v1/images", summary="Upload images", status_code=201, responses=_RESPONSES, openapi_extra=_BODY)
async def upload_images(
    request: Request,
    uploads: Annotated[FormUploads, Depends(provided(FormUploads))],
    database: Db,
    caller: Writer,
    priority: Annotated[PriorityName, Query(description="Priority at which to render the images.")] = "normal",
    analyze: Annotated[
        str,
        Query(
            max_length=64,
            description="Analysis profile: what a vision model reports about the images. Empty for no analysis.",
            examples=[""],
        ),
    ] = "",
    name: Annotated[
        str,
        Query(
            max_length=4096,
            description="Name of the image. Only with a single file; empty for its file name.",
            examples=["beach.jpg"],
        ),
    ] = "",
) -> Response:
    """Uploads one or more images and queues them for rendering. Returns 201 with the image, or 200 if the caller has
    already uploaded the same bytes; an analysis that is new then is queued. While many images of the caller are
    waiting, further ones are queued at priority ``low``, and ``requested_priority`` and ``notice`` of the image say
    so."""
    content_type = request.headers.get("content-type", "")
    essence = content_type.partition(";")[0].strip().lower()
    multipart = essence == "multipart/form-data"
    if not multipart and essence and not essence.startswith("image/") and essence not in _RAW_TYPES:
        raise Problem(
            UNSUPPORTED_MEDIA_TYPE,
            f"`{essence[:100]}` is not supported. Supported media types: {_ACCEPTED}.",
            headers=_accept(),
        )
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
