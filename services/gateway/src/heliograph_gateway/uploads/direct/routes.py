"""``/v1/uploads``: files that clients put into the object store themselves, one by one or many at a time."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from pydantic import Field
from starlette.responses import Response

from heliograph_common.clock import rfc3339
from heliograph_common.contracts.subjects import Priority
from heliograph_common.db.engine import Database
from heliograph_common.errors import HeliographError
from heliograph_common.http.problems import Problem
from heliograph_common.ingest.accept import safe_name
from heliograph_gateway.access.scopes import Writer
from heliograph_gateway.catalog import representation
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
from heliograph_gateway.uploads import outcomes
from heliograph_gateway.uploads.direct.queries import UploadRow
from heliograph_gateway.uploads.direct.schemas import (
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

router = APIRouter(tags=["direct uploads"], dependencies=[Depends(known_parameters)])

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
    summary="Announce a direct upload",
    status_code=201,
    responses={
        201: {"model": DirectUploadShape, "description": "Created: send the file as `upload` says, then complete it"},
        200: {
            "model": DirectUploadShape,
            "description": "The caller has an image with this `sha256`: the upload is complete, `image` is there, and "
            "nothing is to be sent",
        },
        **problems(*_BODY),
    },
    openapi_extra=bodies.Documented(DirectUploadRequest),
)
async def create_upload(request: Request, service: Service, caller: Writer) -> Response:
    """For files that go past the gateway, straight into the object store. A repetition with the same `Idempotency-Key` gets
    the first answer, and the address in it may have expired: `GET /v1/uploads/{id}` gives a new one."""
    wanted = await bodies.read(request, DirectUploadRequest)
    upload = await _create(service, caller.subject, wanted)
    return json_response(upload, _status(upload), {**_PRIVATE, "Location": upload["links"]["self"]})


@router.post(
    "/v1/uploads/batch",
    summary="Announce several direct uploads",
    status_code=201,
    responses={
        201: {"model": DirectUploadOutcomes, "description": "One entry a file, some with an upload to send"},
        200: {"model": DirectUploadOutcomes, "description": "The caller has all that can be taken"},
        **problems(*_BODY, TOO_MANY_FILES),
    },
    openapi_extra=bodies.Documented(DirectUploadBatch),
)
async def create_uploads(request: Request, service: Service, caller: Writer) -> Response:
    """Each entry of the answer is what `POST /v1/uploads` answers for that file, or its problem; one bad entry costs the
    others nothing. Where none can be taken, the answer is the first one's problem, with all entries in `uploads`."""
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
        201: {"model": CompletionOutcomes, "description": "One entry an upload, some with a new image"},
        200: {"model": CompletionOutcomes, "description": "The caller had all that were taken"},
        **problems(*_COMPLETION, *_BODY, TOO_MANY_FILES),
    },
    openapi_extra=bodies.Documented(CompletionBatch),
)
async def complete_uploads(request: Request, service: Service, database: Db, caller: Writer) -> Response:
    """Each entry of the answer is what `POST /v1/uploads/{id}/complete` answers for that upload. Where the request breaks
    off it can be sent again: what is complete by then answers its image. Where none is accepted, the answer is the first
    one's problem, with all entries in `images`."""
    ids = _bounded(service, (await bodies.read(request, _Ids)).ids)
    names = await service.names(caller.subject, [each for each in map(_uuid, ids) if each is not None])
    slots = asyncio.Semaphore(_AT_ONCE)

    async def complete(listed: Any) -> Entry:
        upload_id = _uuid(listed)
        if upload_id is None:
            entry = outcomes.refused("", Problem(NOT_FOUND, "the entry is no id of an upload"))
        else:
            async with slots:
                entry = await _complete(service, database, caller.subject, upload_id, names.get(upload_id, ""))
        return Entry({"id": str(listed)[:100], **entry.body}, entry.problem)

    return outcomes.several(await asyncio.gather(*map(complete, ids)), "images", "uploads")


@router.get(
    "/v1/uploads/{upload_id:uuid}",
    summary="Show a direct upload",
    responses={200: {"model": DirectUploadShape}, **problems(NOT_FOUND, UPLOAD_EXPIRED)},
)
async def get_upload(service: Service, caller: Writer, upload_id: UUID) -> Response:
    """With a new address for the file while it is open, which is why it needs the scope for writing; with its image once
    it is complete; with the problem for which it was refused."""
    row = await service.find(caller.subject, upload_id)
    return json_response(await _shown(service, row), headers=_PRIVATE)


@router.post(
    "/v1/uploads/{upload_id:uuid}/complete",
    summary="Complete a direct upload",
    status_code=201,
    responses={
        201: {"model": ImageShape, "description": "The file was taken in"},
        200: {"model": ImageShape, "description": "The upload was complete, or the caller has had these bytes before"},
        **problems(*_COMPLETION),
    },
)
async def complete_upload(
    request: Request, service: Service, database: Db, caller: Writer, upload_id: UUID
) -> Response:
    """The file is checked as it lies in the object store: its size and, where announced, its hash, and that it is a picture
    within the limits. What fails is refused for good and deleted. The answer is the image, as `POST /v1/images` answers."""
    accepted = await service.complete(caller.subject, upload_id)
    return await outcomes.one(request, database, accepted)


@router.delete(
    "/v1/uploads/{upload_id:uuid}",
    summary="Abort a direct upload",
    status_code=204,
    response_class=Response,
    responses=problems(NOT_FOUND, UPLOAD_EXPIRED, BLOBS_UNAVAILABLE),
)
async def abort_upload(service: Service, caller: Writer, upload_id: UUID) -> Response:
    """Forgets the upload, and deletes what was sent. An image that it has become stays."""
    await service.abort(caller.subject, upload_id)
    return Response(status_code=204)


async def _create(service: DirectUploads, owner: str, wanted: DirectUploadRequest, at: str = "") -> dict[str, Any]:
    """Creates the upload that stands at the pointer ``at`` of the body, and shows it."""
    try:
        profile = profile_of(wanted.analyze, service.profiles)
    except Problem as problem:
        raise bodies.invalid([(f"{at}/analyze", problem.detail)]) from None
    options = UploadOptions(priority=Priority(wanted.priority), profile=profile, name=wanted.name)
    sha256 = None if wanted.sha256 is None else wanted.sha256.lower()
    return await _shown(service, await service.create(owner, options, size=wanted.bytes, sha256=sha256))


async def _complete(service: DirectUploads, database: Database, owner: str, upload_id: UUID, name: str) -> Entry:
    """The entry of one of several uploads."""
    try:
        accepted = await service.complete(owner, upload_id)
    except (Problem, HeliographError) as error:
        return outcomes.refused(name, _as_problem(error))
    return await outcomes.entry(database, name, accepted)


async def _shown(service: DirectUploads, row: UploadRow) -> dict[str, Any]:
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


def _bounded(service: DirectUploads, listed: list[Any]) -> list[Any]:
    if len(listed) > service.batch_files:
        raise Problem(TOO_MANY_FILES, f"{len(listed)} are more than the limit of {service.batch_files} in one request")
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
