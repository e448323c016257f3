"""``/v1/quarantine``: messages of the outbox that can never be published as they are, for administrators.

``messaging.relay`` sets them aside, with the reason. An id is that of the message, which is also its ``Nats-Msg-Id``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import Response

from heliograph_common.clock import rfc3339
from heliograph_common.db.rows import Row
from heliograph_common.http.problems import Problem
from heliograph_common.messaging import outbox
from heliograph_gateway.access.scopes import Admin
from heliograph_gateway.http import cursor as cursors
from heliograph_gateway.http.parameters import Cursor
from heliograph_gateway.http.problems import INVALID_CURSOR, NOT_FOUND
from heliograph_gateway.http.query import known_parameters
from heliograph_gateway.http.responses import json_response, next_link, problems, trace_id_of
from heliograph_gateway.http.services import Db
from heliograph_gateway.http.tags import Tag
from heliograph_gateway.quarantine import queries
from heliograph_gateway.quarantine.schemas import MESSAGE_ID, QuarantinePage, Released

QUARANTINE = Tag("quarantine", "Inspect, release and delete messages that cannot be published (administrators).")

router = APIRouter(tags=[QUARANTINE], dependencies=[Depends(known_parameters)])

MessageId = Annotated[UUID, Path(description="Id of the message.", examples=[MESSAGE_ID])]

_QUERY = {"list": "quarantine"}


@router.get(
    "/v1/quarantine",
    summary="List quarantined messages",
    responses={200: {"model": QuarantinePage}, **problems(INVALID_CURSOR)},
)
async def list_quarantine(
    request: Request,
    database: Db,
    _caller: Admin,
    limit: Annotated[int, Query(ge=1, le=200, description="Maximum number of messages per page.")] = 50,
    cursor: Cursor = None,
) -> Response:
    """Returns one page of the messages of all owners that NATS cannot store in their current form, newest first."""
    after = None if cursor is None else cursors.decode_id(cursor, _QUERY)
    async with database.transaction() as connection:
        found = await outbox.quarantined(connection, after=after, limit=limit + 1)
        page = found[:limit]
        owners = await queries.owners_of_messages(connection, [row.id for row in page])
    more = cursors.encode(str(page[-1].id), _QUERY) if len(found) > limit else None
    url, headers = next_link(request, more)
    return json_response({"messages": [_shape(row, owners) for row in page], "next": url}, headers=headers)


@router.post(
    "/v1/quarantine/{message_id}/release",
    summary="Release a quarantined message",
    status_code=202,
    responses={202: {"model": Released}, **problems(NOT_FOUND)},
)
async def release_quarantined(database: Db, _caller: Admin, message_id: MessageId) -> Response:
    """Moves the message back to the outbox, which publishes it within seconds if NATS is available. The message is
    quarantined again if it still cannot be published."""
    async with database.transaction() as connection:
        released = await outbox.release_quarantined(connection, message_id)
    if not released:
        raise _no_such_message(message_id)
    return json_response({"message_id": str(message_id)}, 202)


@router.delete(
    "/v1/quarantine/{message_id}",
    summary="Delete a quarantined message",
    status_code=204,
    response_class=Response,
    responses=problems(NOT_FOUND),
)
async def drop_quarantined(database: Db, _caller: Admin, message_id: MessageId) -> Response:
    """Deletes the message permanently, without publishing it. If it requested work, the reconciler requests that work
    again."""
    async with database.transaction() as connection:
        dropped = await outbox.drop_quarantined(connection, message_id)
    if not dropped:
        raise _no_such_message(message_id)
    return Response(status_code=204)


def _no_such_message(message_id: UUID) -> Problem:
    return Problem(NOT_FOUND, f"Message {message_id} is not in quarantine.")


def _shape(row: Row[Any], owners: Mapping[UUID, str]) -> dict[str, Any]:
    return {
        "id": str(row.id),
        "subject": row.subject,
        "owner": owners.get(row.id),
        "reason": row.quarantine_reason,
        "bytes": row.bytes,
        "created_at": rfc3339(row.created_at),
        "quarantined_at": rfc3339(row.quarantined_at),
        "trace_id": trace_id_of(row.headers),
    }
