"""The routes of the systems that Heliograph replaces, in their shapes, over the same functions as ``/v1``.

Their clients send what they always sent: query parameters and form fields that mean nothing here are passed over, where
``/v1`` would refuse them. Shapes are built in ``shapes``; refusals are problems with an ``error`` beside the
``detail`` (``app.py``). docs/guides/older-clients.md tells what differs. The socket of these clients is the notifier's.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any
from uuid import UUID

import msgspec
from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.datastructures import Headers
from starlette.responses import Response, StreamingResponse

from heliograph_common.clock import utc_now
from heliograph_common.contracts.links.registry import LINKS
from heliograph_common.db import statements
from heliograph_common.db.engine import Database
from heliograph_common.errors import BusUnavailable, DatabaseUnavailable
from heliograph_common.http.problems import UNAUTHENTICATED, Problem
from heliograph_common.runtime.health import Health
from heliograph_gateway.access.scopes import OldReader, OldWriter
from heliograph_gateway.catalog.refusals import no_such_image
from heliograph_gateway.catalog.retries import Retries
from heliograph_gateway.catalog.schemas import IMAGE_ID, ImageId
from heliograph_gateway.compat import food, shapes, words
from heliograph_gateway.compat.health import Polls
from heliograph_gateway.compat.schemas import (
    OldDuplicate,
    OldHealth,
    OldImport,
    OldImportRequest,
    OldList,
    OldQueue,
    OldRetry,
    OldSystemHealth,
    OldTask,
    OldUpload,
)
from heliograph_gateway.compat.tags import COMPAT
from heliograph_gateway.http import bodies
from heliograph_gateway.http.multipart import boundary_of
from heliograph_gateway.http.problems import (
    BAD_IMAGE,
    BLOBS_UNAVAILABLE,
    BODY_TOO_LARGE,
    BUS_UNAVAILABLE,
    DATABASE_UNAVAILABLE,
    EMPTY_IMAGE,
    IMAGE_TOO_LARGE,
    INTERNAL,
    INVALID_BODY,
    INVALID_JSON,
    INVALID_MULTIPART,
    MISSING_FILE,
    NOT_FOUND,
    TOO_MANY_FILES,
    TOO_MANY_IMPORTS,
    UNSUPPORTED_IMAGE,
    UNSUPPORTED_MEDIA_TYPE,
)
from heliograph_gateway.http.responses import header, json_response, open_problems, problems
from heliograph_gateway.http.schemas import Shape
from heliograph_gateway.http.services import Db, provided
from heliograph_gateway.images import queries
from heliograph_gateway.images.queries import ImageFilter, PageOfImages
from heliograph_gateway.imports import queries as import_rows
from heliograph_gateway.imports.requests import Wanted
from heliograph_gateway.imports.routes import ImportService
from heliograph_gateway.imports.service import Imports
from heliograph_gateway.uploads.form.service import FormUploads

router = APIRouter(tags=[COMPAT], deprecated=True)

OldPolls = Annotated[Polls, Depends(provided(Polls))]
TaskId = Annotated[
    str, Path(description="Id of the task, which is the id of its image or import.", examples=[IMAGE_ID])
]

PICTURE_PARTS = ("file", "image", "images")
"""What clients call the part with the picture: ``file`` was that system's own, others were written for it."""

_PAGE = 500
_COME_BACK = "5"
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "One image, as a part named `file`, `image` or `images`. Other parts are ignored.",
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {"file": {"type": "string", "format": "binary", "description": "The image."}},
                }
            }
        },
    }
}
_UPLOADED: dict[int | str, dict[str, Any]] = {
    200: {"model": OldUpload | OldDuplicate, "description": "The image was accepted, or is already known."},
    **problems(
        INVALID_MULTIPART,
        MISSING_FILE,
        IMAGE_TOO_LARGE,
        BODY_TOO_LARGE,
        TOO_MANY_FILES,
        UNSUPPORTED_IMAGE,
        BAD_IMAGE,
        EMPTY_IMAGE,
        BLOBS_UNAVAILABLE,
    ),
}


def _tells(model: type[Shape]) -> dict[int | str, dict[str, Any]]:
    """``responses`` of a route that tells what is wrong in the same shape, with another status."""
    unwell = {"model": model, "description": "A required server is unavailable.", "headers": header("Retry-After")}
    return {**open_problems(INTERNAL), 200: {"model": model}, 503: unwell}


@router.post("/api/images/upload", summary="Upload an image", responses=_UPLOADED, openapi_extra=_BODY)
async def upload_old(
    request: Request, uploads: Annotated[FormUploads, Depends(provided(FormUploads))], database: Db, caller: OldWriter
) -> Response:
    """Uploads an image, which is rendered in the background. Use ``POST /v1/images`` instead."""
    boundary = boundary_of(request.headers.get("content-type", ""))
    uploads.check_length(int(request.headers.get("content-length", 0)), multipart=True)
    accepted = await uploads.one(request.stream(), boundary, caller.subject, names=PICTURE_PARTS)
    async with database.transaction() as connection:
        sizes = await statements.display_sizes(connection)
    return json_response(shapes.uploaded(accepted.row, sizes, created=accepted.created))


@router.post(
    "/api/images/{image_id}/retry-processing",
    summary="Retry an image",
    responses={200: {"model": OldRetry}, **problems(NOT_FOUND, BLOBS_UNAVAILABLE)},
)
async def retry_old(
    retries: Annotated[Retries, Depends(provided(Retries))], caller: OldWriter, image_id: ImageId
) -> Response:
    """Queues a failed image again, or the missing renditions of a complete one. For other images, returns their status. Use
    ``POST /v1/images/{image_id}/retry`` instead."""
    retried = await retries.retry(image_id, caller.subject)
    if retried is None:
        raise no_such_image(image_id)
    return json_response(shapes.retried(retried.row, queued=retried.queued))


_IMPORTED: dict[int | str, dict[str, Any]] = {
    202: {"model": OldImport},
    **problems(TOO_MANY_IMPORTS, INVALID_JSON, INVALID_BODY, BODY_TOO_LARGE, UNSUPPORTED_MEDIA_TYPE),
}


@router.post(
    "/import/google-drive",
    summary="Import a folder of Google Drive",
    status_code=202,
    responses=_IMPORTED,
    openapi_extra=bodies.Documented(OldImportRequest),
)
async def import_google_drive_old(request: Request, imports: ImportService, caller: OldWriter) -> Response:
    """Starts the import of a folder and of the folders inside it. Use ``POST /v1/imports`` instead."""
    return await _import(request, imports, caller.subject, "google_drive")


@router.post(
    "/import/dropbox",
    summary="Import a folder of Dropbox",
    status_code=202,
    responses=_IMPORTED,
    openapi_extra=bodies.Documented(OldImportRequest),
)
async def import_dropbox_old(request: Request, imports: ImportService, caller: OldWriter) -> Response:
    """Starts the import of a folder and of the folders inside it. Use ``POST /v1/imports`` instead."""
    return await _import(request, imports, caller.subject, "dropbox")


async def _import(request: Request, imports: Imports, owner: str, source: str) -> Response:
    body = await bodies.read(request, OldImportRequest)
    try:
        location = LINKS[source](body.folder_url)
    except ValueError as error:
        raise bodies.invalid([("/folder_url", str(error))]) from None
    wanted = Wanted(source=source, url=body.folder_url, location=location)
    return json_response(shapes.import_queued(await imports.begin(wanted, owner)), 202)


@router.get("/task/{task_id}", summary="Get the status of a task", responses={200: {"model": OldTask}, **problems()})
async def get_task_old(database: Db, caller: OldReader, task_id: TaskId) -> Response:
    """Returns the status of a task. A task is the processing of an image or an import, and has its id. The status of an
    unknown task is ``PENDING``. Use ``GET /v1/images/{image_id}`` or ``GET /v1/imports/{import_id}`` instead."""
    row = imported = None
    if (target := _uuid(task_id)) is not None:
        async with database.transaction() as connection:
            row = await statements.find_image(connection, target, owner=caller.subject)
            imported = await import_rows.find(connection, target, caller.subject)
    if imported is not None:
        return json_response(shapes.import_task(task_id, imported))
    return json_response(shapes.task(task_id, row))


@router.get("/images", summary="List all images", responses={200: {"model": OldList}, **problems()})
async def list_images_old(
    database: Db,
    caller: OldReader,
    source: Annotated[
        str,
        Query(
            pattern=r"^[^\x00]*$",
            description="Only images from this source. Empty for all sources.",
            examples=["upload"],
        ),
    ] = "",
) -> Response:
    """Returns all images of the caller, newest first, in a single streamed response without pages. Use ``GET /v1/images``
    instead."""
    wanted = ImageFilter(source=source or None)
    first = await _page(database, caller.subject, wanted, None)  # so that what fails at once has a status of its own
    return StreamingResponse(_list(database, caller.subject, wanted, first), media_type="application/json")


@router.get("/health", summary="Get the health of the gateway", responses=_tells(OldHealth))
async def health_old(request: Request, polls: OldPolls) -> Response:
    """Returns the health of the gateway and of each server that it depends on. Needs no token. Use ``GET /readyz``
    instead."""
    health: Health = request.app.state.health
    report, configured = await asyncio.gather(health.report(), polls.configured())
    body = shapes.health(report, shapes.SERVICE, configured=configured, in_grace=health.in_grace)
    return _health(body["status"] == "healthy", body)


@router.get("/api/health", summary="Get the health of the servers", responses=_tells(OldSystemHealth))
async def system_health_old(request: Request, polls: OldPolls) -> Response:
    """Returns the health of each server and the state of the queue, counted as in ``GET /api/queue/status``. Needs no
    token. Use ``GET /readyz`` and ``GET /v1/queue`` instead."""
    report, state = await asyncio.gather(request.app.state.health.report(), polls.queue())
    body = shapes.system_health(report, state, now=utc_now(), version=request.app.version)
    return _health(shapes.well(report), body)


@router.get(
    "/api/queue/status",
    summary="Get queue status",
    responses={200: {"model": OldQueue}, **open_problems(INTERNAL, DATABASE_UNAVAILABLE, BUS_UNAVAILABLE)},
)
async def queue_status_old(polls: OldPolls) -> Response:
    """Returns the number of messages waiting and in progress, and the number of images completed and failed in the last
    24 hours, all for all owners. Needs no token. Use ``GET /v1/queue`` instead."""
    state = await polls.queue()
    if state is None:
        raise DatabaseUnavailable("the state of the queue cannot be read without PostgreSQL")
    if state["waiting"] is None:
        raise BusUnavailable("the state of the queue cannot be read without NATS")
    return json_response(shapes.queue(state))


def _health(well: bool, body: dict[str, Any]) -> Response:
    if well:
        return json_response(body)
    return json_response(body, 503, {"Retry-After": _COME_BACK})


async def _page(database: Database, owner: str, wanted: ImageFilter, before: UUID | None) -> PageOfImages:
    async with database.transaction() as connection:
        return await queries.page_of_images(connection, owner, wanted, before=before, limit=_PAGE)


async def _list(database: Database, owner: str, wanted: ImageFilter, page: PageOfImages) -> AsyncIterator[bytes]:
    """``OldList``, page by page: each page is all that is ever in memory, and no transaction waits for the client. Where it
    breaks off, the answer does too, without its end."""
    count = 0
    yield b'{"images":['
    while True:
        encoded = b",".join(msgspec.json.encode(shapes.listed(row)) for row in page.rows)
        yield b"," + encoded if count and encoded else encoded
        count += len(page.rows)
        if page.next is None:
            break
        page = await _page(database, owner, wanted, page.next)
    yield b'],"count":%d}' % count


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


router.add_api_route(
    "/analyze-food",
    food.analyze_food_old,
    methods=["POST"],
    summary="Analyze a meal",
    responses=food.RESPONSES,
    openapi_extra=food.BODY,
)
ROUTERS = (router, words.router)


def older(route: object, problem: Problem, headers: Headers) -> None:
    """Adds to a refusal of one of these routes what their clients read: an ``error`` that says what ``detail`` says, and
    what the word system said without a token."""
    if any(route in each.routes for each in ROUTERS):
        problem.extra["error"] = problem.detail
        if problem.kind is UNAUTHENTICATED and getattr(route, "path", "") in words.PATHS:
            words.tell_missing_token(problem, headers)
