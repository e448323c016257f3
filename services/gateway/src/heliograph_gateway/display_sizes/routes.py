"""``/v1/settings/display-sizes``: the sizes that every new picture is rendered in, and existing ones on request."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from heliograph_common.contracts.sizes import ANALYSIS_SIZE
from heliograph_common.db import statements
from heliograph_common.db.rows import Connection
from heliograph_common.http.problems import Problem
from heliograph_gateway.access.scopes import Admin, Reader
from heliograph_gateway.catalog.representation import ORIGINAL
from heliograph_gateway.display_sizes import queries
from heliograph_gateway.display_sizes import service as size_runs
from heliograph_gateway.display_sizes.schemas import DisplaySizes, Size, SizeRunShape
from heliograph_gateway.http import bodies
from heliograph_gateway.http.problems import (
    BODY_TOO_LARGE,
    INVALID_BODY,
    INVALID_JSON,
    NOT_FOUND,
    PRECONDITION_FAILED,
    UNSUPPORTED_MEDIA_TYPE,
)
from heliograph_gateway.http.query import known_parameters
from heliograph_gateway.http.responses import check_match, header, json_response, problems, tagged
from heliograph_gateway.http.services import Db
from heliograph_gateway.http.tags import Tag

SETTINGS = Tag("settings", "Settings that administrators can change at run time.")

router = APIRouter(tags=[SETTINGS], dependencies=[Depends(known_parameters)])

_PROGRESS = "/v1/settings/display-sizes/progress"


@router.get(
    "/v1/settings/display-sizes",
    summary="Get the display sizes",
    responses={200: {"model": DisplaySizes}, 304: {"description": "The representation has not changed."}, **problems()},
)
async def get_display_sizes(request: Request, database: Db, _caller: Reader) -> Response:
    """Returns the display sizes with a strong ETag. Supports ``If-None-Match``."""
    async with database.transaction() as connection:
        return tagged(request, await _present(connection))


@router.put(
    "/v1/settings/display-sizes",
    summary="Replace the display sizes",
    responses={
        200: {"model": DisplaySizes},
        **problems(INVALID_JSON, INVALID_BODY, BODY_TOO_LARGE, PRECONDITION_FAILED, UNSUPPORTED_MEDIA_TYPE),
    },
    openapi_extra=bodies.Documented(DisplaySizes),
)
async def put_display_sizes(request: Request, database: Db, _caller: Admin) -> Response:
    """Replaces all display sizes. New images are rendered in the new sizes. Existing images keep their renditions until
    you call ``POST /v1/settings/display-sizes/apply``. Supports ``If-Match``."""
    wanted = _checked(await bodies.read(request, DisplaySizes))
    async with database.transaction() as connection:
        await queries.lock_sizes(connection)
        check_match(request, await _present(connection))
        await queries.replace_sizes(connection, wanted.sizes)
        return tagged(request, await _present(connection))


@router.post(
    "/v1/settings/display-sizes/apply",
    summary="Apply the display sizes to existing images",
    status_code=202,
    responses={202: {"model": SizeRunShape, "headers": header("Location")}, **problems()},
)
async def apply_display_sizes(database: Db, _caller: Admin) -> Response:
    """Starts a run that renders the images of all owners in the display sizes that they lack, at low priority and a few at a
    time. The images stay available meanwhile. If a run is in progress, a new one replaces it."""
    async with database.transaction() as connection:
        begun = await size_runs.start(connection)
    return json_response(begun, 202, {"Location": _PROGRESS})


@router.get(
    _PROGRESS,
    summary="Get the progress of applying the display sizes",
    responses={
        200: {"model": SizeRunShape},
        304: {"description": "The representation has not changed."},
        **problems(NOT_FOUND),
    },
)
async def get_display_sizes_progress(request: Request, database: Db, _caller: Admin) -> Response:
    """Returns the progress of the latest run."""
    async with database.transaction() as connection:
        found = await size_runs.progress(connection)
    if found is None:
        raise Problem(NOT_FOUND, "No run has been started yet. Start one with `POST /v1/settings/display-sizes/apply`.")
    return tagged(request, found)


async def _present(connection: Connection) -> dict[str, Any]:
    rows = await statements.display_sizes(connection)
    return {"sizes": [{field: getattr(row, field) for field in Size.model_fields} for row in rows]}


def _checked(wanted: DisplaySizes) -> DisplaySizes:
    names = [size.name for size in wanted.sizes]
    wrong = [(f"/sizes/{at}/name", "Must be unique") for at, name in enumerate(names) if name in names[:at]]
    wrong += [
        (f"/sizes/{at}/name", "Is reserved for the uploaded file") for at, name in enumerate(names) if name == ORIGINAL
    ]
    wrong += [
        (f"/sizes/{at}/name", "Is reserved for the rendition that models are shown")
        for at, name in enumerate(names)
        if name == ANALYSIS_SIZE.name
    ]
    if wrong:
        raise bodies.invalid(wrong)
    return wanted
