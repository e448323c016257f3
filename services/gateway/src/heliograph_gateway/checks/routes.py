"""``/v1/admin/checks``: rows compared with objects and streams, for administrators. ``checks.runner`` does it."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import Response

from heliograph_common.http.problems import Problem
from heliograph_gateway.access.scopes import Admin
from heliograph_gateway.checks import queries as store
from heliograph_gateway.checks.schemas import CHECK_ID, CheckPage, CheckRequest, CheckShape
from heliograph_gateway.http import bodies
from heliograph_gateway.http import cursor as cursors
from heliograph_gateway.http.parameters import Cursor
from heliograph_gateway.http.problems import (
    BODY_TOO_LARGE,
    CONFLICT,
    INVALID_BODY,
    INVALID_CURSOR,
    INVALID_JSON,
    NOT_FOUND,
    UNSUPPORTED_MEDIA_TYPE,
)
from heliograph_gateway.http.query import known_parameters
from heliograph_gateway.http.responses import header, json_response, next_link, problems, tagged
from heliograph_gateway.http.services import Db
from heliograph_gateway.http.tags import Tag

CHECKS = Tag(
    "checks", "Compare the database with the object store and the streams, and repair what differs (administrators)."
)

router = APIRouter(tags=[CHECKS], dependencies=[Depends(known_parameters)])

CheckId = Annotated[UUID, Path(description="Id of the check.", examples=[CHECK_ID])]

_QUERY = {"list": "checks"}


@router.post(
    "/v1/admin/checks",
    summary="Start a check",
    status_code=202,
    responses={
        202: {"model": CheckShape, "headers": header("Location")},
        **problems(CONFLICT, INVALID_JSON, INVALID_BODY, BODY_TOO_LARGE, UNSUPPORTED_MEDIA_TYPE),
    },
    openapi_extra=bodies.Documented(CheckRequest),
)
async def start_check(request: Request, database: Db, caller: Admin) -> Response:
    """Starts a check of all images, objects and streams of all owners. It runs in the background, and only one check
    runs at a time."""
    wanted = await bodies.read(request, CheckRequest)
    async with database.transaction() as connection:
        begun = await store.start(connection, repair=wanted.repair, requested_by=caller.subject)
        running = None if begun is not None else await store.newest(connection)
    if begun is None:
        raise _is_running(running)
    return json_response(store.shape(begun), 202, {"Location": f"/v1/admin/checks/{begun.id}"})


@router.get(
    "/v1/admin/checks",
    summary="List checks",
    responses={200: {"model": CheckPage}, **problems(INVALID_CURSOR)},
)
async def list_checks(
    request: Request,
    database: Db,
    _caller: Admin,
    limit: Annotated[int, Query(ge=1, le=100, description="Maximum number of checks per page.")] = 20,
    cursor: Cursor = None,
) -> Response:
    """Returns one page of checks, newest first. Checks are kept for 90 days."""
    before = None if cursor is None else cursors.decode_id(cursor, _QUERY)
    async with database.transaction() as connection:
        found = await store.page(connection, before=before, limit=limit + 1)
    page = found[:limit]
    more = cursors.encode(str(page[-1].id), _QUERY) if len(found) > limit else None
    url, headers = next_link(request, more)
    return json_response({"checks": [store.shape(row) for row in page], "next": url}, headers=headers)


@router.get(
    "/v1/admin/checks/{check_id}",
    summary="Get a check",
    responses={
        200: {"model": CheckShape},
        304: {"description": "The representation has not changed."},
        **problems(NOT_FOUND),
    },
)
async def get_check(request: Request, database: Db, _caller: Admin, check_id: CheckId) -> Response:
    """Returns the progress of the check and what it has found so far."""
    async with database.transaction() as connection:
        found = await store.find(connection, check_id)
    if found is None:
        raise _no_such_check(check_id)
    return tagged(request, store.shape(found))


@router.post(
    "/v1/admin/checks/{check_id}/cancel",
    summary="Cancel a check",
    responses={200: {"model": CheckShape}, **problems(NOT_FOUND, CONFLICT)},
)
async def cancel_check(database: Db, _caller: Admin, check_id: CheckId) -> Response:
    """Cancels a running check. What it has repaired so far stays repaired."""
    async with database.transaction() as connection:
        cancelled = await store.cancel(connection, check_id)
        found = cancelled or await store.find(connection, check_id)
    if found is None:
        raise _no_such_check(check_id)
    if cancelled is None:
        raise Problem(CONFLICT, f"The check is {found.state}. Only a running check can be cancelled.")
    return json_response(store.shape(cancelled))


def _no_such_check(check_id: UUID) -> Problem:
    return Problem(NOT_FOUND, f"Check {check_id} does not exist.")


def _is_running(check: store.CheckRow | None) -> Problem:
    if check is None:  # it ended in this moment
        return Problem(CONFLICT, "Another check has just ended. Send the request again.")
    path = f"/v1/admin/checks/{check.id}"
    detail = f"Check {check.id} is running. Wait until it ends, or cancel it with `POST {path}/cancel`."
    return Problem(CONFLICT, detail, headers={"Location": path}, extra={"check_id": str(check.id)})
