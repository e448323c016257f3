"""``/v1/uploads``: files that clients put into the object store themselves, one by one or many at a time."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Request
from pydantic import Field
from starlette.responses import Response

from heliograph_common.contracts.subjects import Priority
from heliograph_common.db.engine import Database
from heliograph_common.errors import HeliographError
from heliograph_common.http.problems import Problem
from heliograph_common.ingest.accept import safe_name
from heliograph_gateway.access.scopes import Writer
from heliograph_gateway.catalog.schemas import ImageShape
from heliograph_gateway.http import bodies
from heliograph_gateway.http.problems import (
    BAD_IMAGE,
    BLOBS_UNAVAILABLE,
    BODY_TOO_LARGE,
    EMPTY_IMAGE,
    IMAGE_TOO_LARGE,
    INVALID_BODY,
    INVALID_JSON,
    NOT_FOUND,
    TOO_MANY_FILES,
    UNSUPPORTED_IMAGE,
    UNSUPPORTED_MEDIA_TYPE,
    UPLOAD_EXPIRED,
    UPLOAD_MISMATCH,
    UPLOAD_NOT_THERE,
    problem_of,
)
from heliograph_gateway.http.query import known_parameters
from heliograph_gateway.http.responses import json_response, problems
from heliograph_gateway.http.schemas import Shape
from heliograph_gateway.http.services import Db, provided
from heliograph_gateway.http.tags import Tag
from heliograph_gateway.uploads import outcomes
from heliograph_gateway.uploads.direct.representation import shown
from heliograph_gateway.uploads.direct.schemas import (
    UPLOAD_ID,
    CompletionBatch,
    CompletionOutcomes,
    DirectUploadBatch,
    DirectUploadOutcomes,
    DirectUploadRequest,
    DirectUploadShape,
)
from heliograph_gateway.uploads.direct.service import DirectUploads
from heliograph_gateway.uploads.options import UploadOptions, profile_of
from heliograph_gateway.uploads.outcomes import Entry

DIRECT_UPLOADS = Tag(
    "direct uploads", "Upload files straight to the object store with signed URLs, one or many at a time."
)

router = APIRouter(tags=[DIRECT_UPLOADS], dependencies=[Depends(known_parameters)])

UploadId = Annotated[UUID, Path(description="Id of the upload.", examples=[UPLOAD_ID])]

Service = Annotated[DirectUploads, Depends(provided(DirectUploads))]

_AT_ONCE = 4
"""Uploads of one batch that are completed at one time: others want to complete theirs, too."""
_BATCH_BYTES = 1024 * 1024
_PRIVATE = {"Cache-Control": "private, no-store"}  # the address lets anyone write
_BODY = (INVALID_JSON, INVALID_BODY, BODY_TOO_LARGE, IMAGE_TOO_LARGE, UNSUPPORTED_MEDIA_TYPE)
_COMPLETION = (
    NOT_FOUND,
    UPLOAD_NOT_THERE,
    UPLOAD_EXPIRED,
    UPLOAD_MISMATCH,
    IMAGE_TOO_LARGE,
    UNSUPPORTED_IMAGE,
    BAD_IMAGE,
    EMPTY_IMAGE,
    BLOBS_UNAVAILABLE,
)


class _Files(Shape):
    """``DirectUploadBatch`` before its entries are looked at, each by itself."""

    files: Annotated[list[Any], Field(min_length=1)]


class _Ids(Shape):
    """``CompletionBatch``, likewise."""

    ids: Annotated[list[Any], Field(min_length=1)]


@router.post(
    "/v1/uploads",
    summary="Create a direct upload",
    status_code=201,
    responses={
        201: {
            "model": DirectUploadShape,
            "description": "The upload was created. Send the file as `upload` describes, then complete the upload.",
        },
        200: {
            "model": DirectUploadShape,
            "description": "The caller already has an image with this `sha256`. The upload is complete, and the file "
            "need not "
            "be sent.",
        },
        **problems(*_BODY),
    },
    openapi_extra=bodies.Documented(DirectUploadRequest),
)
async def create_upload(request: Request, service: Service, caller: Writer) -> Response:
    """Creates an upload for a file that the client sends straight to the object store. A request that is repeated with
    the same ``Idempotency-Key`` returns the first response, whose signed URL may have expired; ``GET
    /v1/uploads/{upload_id}`` returns a new one."""
    wanted = await bodies.read(request, DirectUploadRequest)
    upload = await _create(service, caller.subject, wanted)
    return json_response(upload, _status(upload), {**_PRIVATE, "Location": upload["links"]["self"]})


@router.post(
    "/v1/uploads/batch",
    summary="Create several direct uploads",
    status_code=201,
    responses={
        201: {"model": DirectUploadOutcomes, "description": "One entry per file. At least one file is to be sent."},
        200: {
            "model": DirectUploadOutcomes,
            "description": "The caller already has all files that were accepted. None is to be sent.",
        },
        **problems(*_BODY, TOO_MANY_FILES),
    },
    openapi_extra=bodies.Documented(DirectUploadBatch),
)
async def create_uploads(request: Request, service: Service, caller: Writer) -> Response:
    """Creates an upload for each file, independently of the others. Each entry of the response holds what ``POST
    /v1/uploads`` returns for that file, or its problem. If no file is accepted, the response is the problem of the
    first one, with all entries in ``uploads``."""
    files = _bounded(service, (await bodies.read(request, _Files, limit=_BATCH_BYTES)).files)
    entries = []
    for at, file in enumerate(files):
        try:
            wanted = bodies.validated(file, DirectUploadRequest, f"/files/{at}")
            upload = await _create(service, caller.subject, wanted, f"/files/{at}")
        except (Problem, HeliographError) as error:
            entries.append(outcomes.refused(_name_of(file), _as_problem(error)))
        else:
            entries.append(Entry({"name": upload["name"], "status": _status(upload), "upload": upload}))
    answer = outcomes.several(entries, "uploads", "files")
    answer.headers.update(_PRIVATE)
    return answer


@router.post(
    "/v1/uploads/batch/complete",
    summary="Complete several direct uploads",
    status_code=201,
    responses={
        201: {"model": CompletionOutcomes, "description": "One entry per upload. At least one image is new."},
        200: {"model": CompletionOutcomes, "description": "The caller already had all images that were accepted."},
        **problems(*_COMPLETION, *_BODY, TOO_MANY_FILES),
    },
    openapi_extra=bodies.Documented(CompletionBatch),
)
async def complete_uploads(request: Request, service: Service, database: Db, caller: Writer) -> Response:
    """Completes each upload, independently of the others. Each entry of the response holds what ``POST
    /v1/uploads/{upload_id}/complete`` returns for that upload. The request can be repeated if it is interrupted:
    uploads that are complete by then return their image. If no upload is accepted, the response is the problem of the
    first one, with all entries in ``images``."""
    ids = _bounded(service, (await bodies.read(request, _Ids)).ids)
    names = await service.names(caller.subject, [each for each in map(_uuid, ids) if each is not None])
    slots = asyncio.Semaphore(_AT_ONCE)

    async def complete(listed: Any) -> Entry:
        upload_id = _uuid(listed)
        if upload_id is None:
            entry = outcomes.refused("", Problem(NOT_FOUND, "The entry is not an upload id."))
        else:
            async with slots:
                entry = await _complete(service, database, caller.subject, upload_id, names.get(upload_id, ""))
        return Entry({"id": str(listed)[:100], **entry.body}, entry.problem)

    return outcomes.several(await asyncio.gather(*map(complete, ids)), "images", "uploads")


@router.get(
    "/v1/uploads/{upload_id:uuid}",
    summary="Get a direct upload",
    responses={200: {"model": DirectUploadShape}, **problems(NOT_FOUND, UPLOAD_EXPIRED)},
)
async def get_upload(service: Service, caller: Writer, upload_id: UploadId) -> Response:
    """Returns the upload: with a new signed URL while it is open, with its image once it is complete, or with the
    problem for which it was rejected. The signed URL allows writing, which is why reading an upload requires the write
    scope."""
    row = await service.find(caller.subject, upload_id)
    return json_response(await shown(service, row), headers=_PRIVATE)


@router.post(
    "/v1/uploads/{upload_id:uuid}/complete",
    summary="Complete a direct upload",
    status_code=201,
    responses={
        201: {"model": ImageShape, "description": "The file was accepted as a new image."},
        200: {
            "model": ImageShape,
            "description": "The upload was already complete, or the caller already has this image.",
        },
        **problems(*_COMPLETION),
    },
)
async def complete_upload(
    request: Request, service: Service, database: Db, caller: Writer, upload_id: UploadId
) -> Response:
    """Checks the file in the object store: its size, its SHA-256 if one was announced, and that it is a supported image
    within the limits. Returns the image, as ``POST /v1/images`` does. A file that fails a check is rejected permanently
    and deleted."""
    accepted = await service.complete(caller.subject, upload_id)
    return await outcomes.one(request, database, accepted)


@router.delete(
    "/v1/uploads/{upload_id:uuid}",
    summary="Abort a direct upload",
    status_code=204,
    response_class=Response,
    responses=problems(NOT_FOUND, UPLOAD_EXPIRED, BLOBS_UNAVAILABLE),
)
async def abort_upload(service: Service, caller: Writer, upload_id: UploadId) -> Response:
    """Deletes the upload and the file that was sent. If the upload is already complete, its image remains."""
    await service.abort(caller.subject, upload_id)
    return Response(status_code=204)


async def _create(service: DirectUploads, owner: str, wanted: DirectUploadRequest, at: str = "") -> dict[str, Any]:
    """Creates the upload that stands at the pointer ``at`` of the body, and shows it."""
    try:
        profile = profile_of(wanted.analyze, service.profiles)
    except Problem as problem:
        raise bodies.invalid([(f"{at}/analyze", problem.extra["errors"][0]["detail"])]) from None
    options = UploadOptions(priority=Priority(wanted.priority), profile=profile, name=wanted.name)
    sha256 = None if wanted.sha256 is None else wanted.sha256.lower()
    return await shown(service, await service.create(owner, options, size=wanted.bytes, sha256=sha256))


async def _complete(service: DirectUploads, database: Database, owner: str, upload_id: UUID, name: str) -> Entry:
    """The entry of one of several uploads."""
    try:
        accepted = await service.complete(owner, upload_id)
    except (Problem, HeliographError) as error:
        return outcomes.refused(name, _as_problem(error))
    return await outcomes.entry(database, name, accepted)


def _bounded(service: DirectUploads, listed: list[Any]) -> list[Any]:
    if len(listed) > service.batch_files:
        raise Problem(
            TOO_MANY_FILES, f"Limit exceeded: {len(listed)} entries in one request, the limit is {service.batch_files}."
        )
    return listed


def _status(upload: dict[str, Any]) -> int:
    return 201 if upload["state"] == "open" else 200


def _name_of(file: Any) -> str:
    """The name in an entry of which nothing is known to be right."""
    name = file.get("name") if isinstance(file, dict) else None
    return safe_name(name) if isinstance(name, str) else ""


def _as_problem(error: Problem | HeliographError) -> Problem:
    return error if isinstance(error, Problem) else problem_of(error)


def _uuid(listed: Any) -> UUID | None:
    try:
        return UUID(listed) if isinstance(listed, str) else None
    except ValueError:
        return None
