"""``/v1/imports``: begin, list, show, cancel and retry imports, and list their files."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from heliograph_common.contracts.links.registry import SOURCES
from heliograph_common.db.engine import Database
from heliograph_common.db.import_waits import waiting_of
from heliograph_common.db.rows import Connection, Row
from heliograph_gateway.access.scopes import Reader, Writer
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
    TOO_MANY_IMPORTS,
    UNSUPPORTED_MEDIA_TYPE,
)
from heliograph_gateway.http.query import known_parameters
from heliograph_gateway.http.responses import header, json_response, next_link, problems, tagged
from heliograph_gateway.http.services import Db, Settings, provided
from heliograph_gateway.http.tags import Tag
from heliograph_gateway.imports import queries, representation, requests
from heliograph_gateway.imports.representation import Pages
from heliograph_gateway.imports.schemas import (
    FileStatus,
    ImportFilePage,
    ImportId,
    ImportPageShape,
    ImportRequest,
    ImportShape,
    RetryRequest,
    Status,
)
from heliograph_gateway.imports.service import Imports, no_such_import

IMPORTS = Tag("imports", "Import folders of Google Drive and Dropbox, and lists of URLs.")

router = APIRouter(tags=[IMPORTS], dependencies=[Depends(known_parameters)])

ImportService = Annotated[Imports, Depends(provided(Imports))]

BODY_BYTES = 8 * 1024 * 1024
"""Enough for 10,000 URLs of some 800 characters."""
_BODY_PROBLEMS = (INVALID_JSON, INVALID_BODY, BODY_TOO_LARGE, UNSUPPORTED_MEDIA_TYPE)


@router.post(
    "/v1/imports",
    summary="Start an import",
    status_code=202,
    responses={
        202: {"model": ImportShape, "headers": header("Location")},
        **problems(TOO_MANY_IMPORTS, *_BODY_PROBLEMS),
    },
    openapi_extra=bodies.Documented(ImportRequest),
)
async def start_import(
    request: Request, imports: ImportService, database: Db, settings: Settings, caller: Writer
) -> Response:
    """Starts the import of a folder or of a list of URLs, which runs in the background. Follow it with ``GET
    /v1/imports/{import_id}`` or by its events. Files that an earlier import fetched are fetched again only if they
    changed."""
    body = await bodies.read(request, ImportRequest, limit=BODY_BYTES)
    own = settings.gateway
    wanted = await asyncio.to_thread(
        requests.wanted, body, profiles=own.analysis_profiles, max_urls=own.urls_per_import
    )
    row = await imports.begin(wanted, caller.subject)
    return json_response(await _shown(database, row), 202, {"Location": representation.path_of(row.id)})


@router.get(
    "/v1/imports",
    summary="List imports",
    responses={200: {"model": ImportPageShape}, **problems(INVALID_CURSOR)},
)
async def list_imports(
    request: Request,
    database: Db,
    caller: Reader,
    status: Annotated[Status | None, Query(description="Only imports in this state.")] = None,
    source: Annotated[
        str | None,
        Query(
            max_length=64,
            description="Only imports from this source.",
            examples=[SOURCES[0]],
        ),
    ] = None,
    limit: Annotated[int, Query(ge=1, le=100, description="Maximum number of imports per page.")] = 20,
    cursor: Cursor = None,
) -> Response:
    """Returns one page of the caller's imports, newest first."""
    query = {"list": "imports", "status": status, "source": source}
    before = None if cursor is None else cursors.decode_id(cursor, query)
    async with database.transaction() as connection:
        found = await queries.page(
            connection, caller.subject, status=status, source=source, before=before, limit=limit + 1
        )
        page = found[:limit]
        shown = await _represented(connection, page)
    more = cursors.encode(str(page[-1].id), query) if len(found) > limit else None
    url, headers = next_link(request, more)
    return json_response({"imports": shown, "next": url}, headers=headers)


@router.get(
    "/v1/imports/{import_id}",
    summary="Get an import",
    responses={
        200: {"model": ImportShape},
        304: {"description": "The representation has not changed."},
        **problems(NOT_FOUND),
    },
)
async def get_import(request: Request, database: Db, caller: Reader, import_id: ImportId) -> Response:
    """Returns the import with its progress and a strong ETag. Supports ``If-None-Match``."""
    async with database.transaction() as connection:
        row = await queries.find(connection, import_id, caller.subject)
        if row is None:
            raise no_such_import(import_id)
        (shown,) = await _represented(connection, [row])
    return tagged(request, shown)


@router.get(
    "/v1/imports/{import_id}/files",
    summary="List the files of an import",
    responses={200: {"model": ImportFilePage}, **problems(NOT_FOUND, INVALID_CURSOR)},
)
async def list_import_files(
    request: Request,
    database: Db,
    caller: Reader,
    import_id: ImportId,
    status: Annotated[FileStatus | None, Query(description="Only files in this state.")] = None,
    limit: Annotated[int, Query(ge=1, le=200, description="Maximum number of files per page.")] = 50,
    cursor: Cursor = None,
) -> Response:
    """Returns one page of the files of the import, in the order in which they were found."""
    query = {"list": "import files", "import": import_id, "status": status}
    after = 0 if cursor is None else _position(cursors.decode(cursor, query))
    async with database.transaction() as connection:
        if await queries.find(connection, import_id, caller.subject) is None:
            raise no_such_import(import_id)
        found = await queries.files(connection, import_id, status=status, after=after, limit=limit + 1)
    page = found[:limit]
    more = cursors.encode(str(page[-1].position), query) if len(found) > limit else None
    url, headers = next_link(request, more)
    return json_response({"files": [representation.file(row) for row in page], "next": url}, headers=headers)


@router.post(
    "/v1/imports/{import_id}/cancel",
    summary="Cancel an import",
    responses={200: {"model": ImportShape}, **problems(NOT_FOUND, CONFLICT)},
)
async def cancel_import(imports: ImportService, database: Db, caller: Writer, import_id: ImportId) -> Response:
    """Cancels a queued or running import. Images that it has created remain. A file that is being fetched may still
    become an image."""
    return json_response(await _shown(database, await imports.cancel(import_id, caller.subject)))


@router.post(
    "/v1/imports/{import_id}/retry",
    summary="Retry an import",
    status_code=202,
    responses={202: {"model": ImportShape}, **problems(NOT_FOUND, CONFLICT, TOO_MANY_IMPORTS, *_BODY_PROBLEMS)},
    openapi_extra=bodies.Documented(RetryRequest, required=False),
)
async def retry_import(
    request: Request, imports: ImportService, database: Db, caller: Writer, import_id: ImportId
) -> Response:
    """Queues the files and folders that failed again. Of an import that was canceled or failed, queues what was left
    undone as well. Returns 409 if there is nothing to retry."""
    body = await bodies.read(request, RetryRequest, empty=RetryRequest())
    row = await imports.retry(import_id, caller.subject, body.authorization)
    return json_response(await _shown(database, row), 202)


async def _shown(database: Database, row: Row[Any]) -> dict[str, Any]:
    async with database.transaction() as connection:
        (shown,) = await _represented(connection, [row])
    return shown


async def _represented(connection: Connection, rows: Sequence[Row[Any]]) -> list[dict[str, Any]]:
    pages = await queries.pages_of(connection, [row.id for row in rows])
    waiting = await waiting_of(connection, rows)
    return [representation.import_(row, pages.get(row.id, Pages()), waiting.get(row.id)) for row in rows]


def _position(text: str) -> int:
    if not text.isdecimal() or len(text) > 18:
        raise cursors.not_issued()
    return int(text)
