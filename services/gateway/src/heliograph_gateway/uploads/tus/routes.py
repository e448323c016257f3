"""``/v1/uploads/tus``: resumable uploads, tus 1.0 (tus.io/protocols/resumable-upload).

Reads headers and says how an upload stands; what is done is the service's. ``protocol`` is around these routes: the
version has been checked, and the method is the one that is meant.
"""

from __future__ import annotations

from datetime import UTC
from email.utils import format_datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import Response

from heliograph_common.clock import rfc3339
from heliograph_common.http.problems import Problem
from heliograph_gateway.access.scopes import Writer
from heliograph_gateway.http.problems import (
    BAD_IMAGE,
    BLOBS_UNAVAILABLE,
    BODY_TIMEOUT,
    BODY_TOO_LARGE,
    CONFLICT,
    EMPTY_IMAGE,
    IMAGE_TOO_LARGE,
    NOT_FOUND,
    OFFSET_MISMATCH,
    TOO_MANY_PARTS,
    TUS_CHECKSUM_MISMATCH,
    UNSUPPORTED_IMAGE,
    UNSUPPORTED_MEDIA_TYPE,
    UPLOAD_EXPIRED,
    UPLOAD_FINAL,
    UPLOAD_REFUSED,
)
from heliograph_gateway.http.query import known_parameters
from heliograph_gateway.http.responses import json_response
from heliograph_gateway.http.services import provided
from heliograph_gateway.http.tags import Tag
from heliograph_gateway.uploads.options import UploadOptions, priority_of, profile_of
from heliograph_gateway.uploads.tus import document
from heliograph_gateway.uploads.tus import headers as tus_headers
from heliograph_gateway.uploads.tus.body import Body
from heliograph_gateway.uploads.tus.headers import BODY_TYPE, IMAGE, ROOT, wrong
from heliograph_gateway.uploads.tus.queries import TusRow
from heliograph_gateway.uploads.tus.schemas import UPLOAD_ID, TusUploadShape
from heliograph_gateway.uploads.tus.service import Announced, Progress, ResumableUploads, progress_of

RESUMABLE_UPLOADS = Tag(
    "resumable uploads", "Upload files in several requests and resume after interruptions, with the tus 1.0 protocol."
)

router = APIRouter(tags=[RESUMABLE_UPLOADS], dependencies=[Depends(known_parameters)])

UploadId = Annotated[UUID, Path(description="Id of the upload.", examples=[UPLOAD_ID])]

Service = Annotated[ResumableUploads, Depends(provided(ResumableUploads))]

_ONE = f"{ROOT}/{{upload_id}}"
_STATE = ("Upload-Offset", "Upload-Length", "Upload-Defer-Length", "Upload-Metadata", "Upload-Concat")
_OVER = (NOT_FOUND, UPLOAD_EXPIRED, UPLOAD_REFUSED)
_TAKING = (
    BLOBS_UNAVAILABLE,
    BODY_TIMEOUT,
    BODY_TOO_LARGE,
    IMAGE_TOO_LARGE,
    TOO_MANY_PARTS,
    UNSUPPORTED_IMAGE,
    UNSUPPORTED_MEDIA_TYPE,
    BAD_IMAGE,
    EMPTY_IMAGE,
    TUS_CHECKSUM_MISMATCH,
)
_SELF = ("Tus-Version", "Tus-Extension", "Tus-Max-Size", "Tus-Checksum-Algorithm")
_SELF_ANSWERS = document.open_answers(204, "The capabilities of this server.", _SELF)


@router.options(_ONE, include_in_schema=False)
@router.options(ROOT, summary="Get tus capabilities", status_code=204, responses=_SELF_ANSWERS)
async def show_tus_abilities(service: Service) -> Response:
    """Returns the tus version, extensions and limits of this server. Needs no token. The URL of an upload returns the same,
    whether the upload exists or not."""
    return Response(status_code=204, headers=tus_headers.options(service.max_size))


@router.post(
    ROOT,
    summary="Create a resumable upload",
    status_code=201,
    response_class=Response,
    responses=document.answers(
        201,
        "The upload was created. If the request had all bytes, the upload is an image.",
        ("Upload-Offset", "Upload-Expires", IMAGE),
        *_TAKING,
        *_OVER,
        CONFLICT,
    ),
    openapi_extra=document.FIRST_BODY,
)
async def create_tus_upload(
    *,
    request: Request,
    service: Service,
    caller: Writer,
    _: document.Version,
    upload_length: document.Length = None,
    upload_defer_length: document.DeferLength = None,
    upload_metadata: document.Metadata = "",
    upload_concat: document.Concat = None,
    upload_checksum: document.Checksum = None,
) -> Response:
    """Creates an upload, to which PATCH requests append bytes. The request itself may already carry the first bytes. It
    requires exactly one of ``Upload-Length``, ``Upload-Defer-Length`` and ``Upload-Concat: final``."""
    announced = Announced(
        length=None if upload_length is None else int(upload_length),
        metadata=upload_metadata,
        options=_upload_options(service, tus_headers.metadata(upload_metadata)),
        concat=None if upload_concat is None else tus_headers.concat(upload_concat),
    )
    final = announced.concat is not None and not announced.concat.partial
    if sum((upload_length is not None, upload_defer_length is not None, final)) != 1:
        raise wrong(
            "Upload-Length",
            "Send exactly one of `Upload-Length`, `Upload-Defer-Length: 1` and `Upload-Concat: final;…`",
        )
    body = _body(request, upload_checksum)
    if announced.concat is not None and final:
        if body.announced != 0:
            raise wrong("Upload-Concat", "A final upload must not have a body")
        progress = await service.concatenate(caller.subject, announced, announced.concat.urls)
    else:
        progress = await service.create(caller.subject, announced, body)
    return Response(status_code=201, headers={"Location": f"{ROOT}/{progress.id}", **_progress_headers(progress)})


@router.patch(
    _ONE,
    summary="Append to a resumable upload",
    status_code=204,
    responses=document.answers(
        204,
        "The bytes were appended. If they were the last ones, the upload is an image.",
        ("Upload-Offset", "Upload-Expires", IMAGE),
        *_TAKING,
        *_OVER,
        OFFSET_MISMATCH,
        UPLOAD_FINAL,
    ),
    openapi_extra=document.BODY,
)
async def append_to_tus_upload(
    *,
    upload_id: UploadId,
    request: Request,
    service: Service,
    caller: Writer,
    _: document.Version,
    upload_offset: document.Offset,
    upload_length: document.Length = None,
    upload_checksum: document.Checksum = None,
) -> Response:
    """Appends the body at the offset. If the connection breaks, the bytes that arrived are kept: get the offset of the
    upload and continue from there. After the last bytes the file is checked, and the upload is an image when the
    response is sent."""
    progress = await service.append(
        upload_id,
        caller.subject,
        int(upload_offset),
        _body(request, upload_checksum, always=True),
        announced=None if upload_length is None else int(upload_length),
    )
    return Response(status_code=204, headers=_progress_headers(progress))


@router.head(
    _ONE,
    name="show_tus_offset",
    summary="Get the offset of a resumable upload",
    response_class=Response,
    responses=document.answers(200, "The state of the upload.", (*_STATE, "Upload-Expires", IMAGE), *_OVER),
)
@router.get(
    _ONE,
    summary="Get a resumable upload",
    responses=document.answers(200, "The state of the upload.", (*_STATE, "Upload-Expires", IMAGE), *_OVER),
    response_model=TusUploadShape,
)
async def show_tus_upload(
    upload_id: UploadId, service: Service, caller: Writer, _: document.VersionIfAny = None
) -> Response:
    """Returns the state of the upload, as tus headers and (for GET) as JSON. If the offset equals the length, the file
    has been checked and is an image."""
    row = await service.look(upload_id, caller.subject)
    return json_response(_shown(row), headers=_state(row))


@router.delete(
    _ONE,
    summary="Delete a resumable upload",
    status_code=204,
    responses=document.answers(204, "The upload was deleted.", (), NOT_FOUND),
)
async def delete_tus_upload(upload_id: UploadId, service: Service, caller: Writer, _: document.Version) -> Response:
    """Deletes the upload and its bytes. If the upload is already complete, its image remains and can be deleted
    separately."""
    await service.terminate(upload_id, caller.subject)
    return Response(status_code=204)


def _upload_options(service: ResumableUploads, metadata: dict[str, bytes]) -> UploadOptions:
    text = {key: value.decode("utf-8", "replace") for key, value in metadata.items()}
    return UploadOptions(
        priority=priority_of(text.get("priority") or "normal"),
        profile=profile_of(text.get("analyze", ""), service.profiles),
        name=text.get("filename") or text.get("name", ""),
    )


def _body(request: Request, checksum: str | None, *, always: bool = False) -> Body:
    """The request's body; ``always``: it must have one, though it may be empty."""
    announced: int | None = None
    if "transfer-encoding" not in request.headers:
        announced = int(request.headers.get("content-length", 0))
    essence = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if essence != BODY_TYPE and (always or announced != 0):
        detail = f"`{essence[:100]}` is not supported. Send the body as `{BODY_TYPE}`."
        raise Problem(UNSUPPORTED_MEDIA_TYPE, detail, headers={"Accept": BODY_TYPE})
    expected = None if checksum is None else tus_headers.checksum(checksum)
    return Body(request.stream(), announced=announced, checksum=expected)


def _progress_headers(progress: Progress) -> dict[str, str]:
    headers = {"Upload-Offset": str(progress.offset)}
    if progress.expires_at is not None:
        headers["Upload-Expires"] = format_datetime(progress.expires_at.astimezone(UTC), usegmt=True)
    if progress.image_id is not None:
        headers[IMAGE] = _image(progress.image_id)
    return headers


def _state(row: TusRow) -> dict[str, str]:
    length = {"Upload-Defer-Length": "1"} if row.length is None else {"Upload-Length": str(row.length)}
    headers = _progress_headers(progress_of(row)) | length
    if row.metadata:
        headers["Upload-Metadata"] = row.metadata
    if row.partial:
        headers["Upload-Concat"] = "partial"
    elif row.concatenates is not None:
        headers["Upload-Concat"] = f"final;{' '.join(row.concatenates)}"
    return headers


def _shown(row: TusRow) -> dict[str, Any]:
    return {
        "id": str(row.id),
        "state": row.state,
        "name": row.name,
        "offset": row.position,
        "length": row.length,
        "partial": row.partial,
        "created_at": rfc3339(row.created_at),
        "expires_at": rfc3339(row.expires_at),
        "links": {"self": f"{ROOT}/{row.id}"} | ({"image": _image(row.image_id)} if row.image_id else {}),
    }


def _image(image_id: UUID) -> str:
    return f"/v1/images/{image_id}"
