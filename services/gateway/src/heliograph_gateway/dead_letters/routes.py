"""``/v1/dead-letters``: what could not be handled, for administrators. A letter's id is its sequence in the DEAD stream."""

from __future__ import annotations

import contextlib
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import Response

from heliograph_common.bus.dead_letters import StoredLetter
from heliograph_common.clock import rfc3339
from heliograph_common.contracts.body import Command
from heliograph_common.contracts.envelope import body_of, decode
from heliograph_common.contracts.import_messages import FetchFile, ListFolder
from heliograph_common.contracts.messages import COMMANDS, AnalyzeImage, ImageCommand, RenderImage
from heliograph_common.contracts.word_messages import FindPicture
from heliograph_common.db import analyses, imports, statements, work
from heliograph_common.db.words import queue as word_queue
from heliograph_common.errors import MalformedMessage
from heliograph_common.http.problems import Problem
from heliograph_common.ingest import analysis
from heliograph_common.messaging.transaction import Transaction
from heliograph_gateway.access.scopes import Admin
from heliograph_gateway.catalog import retries
from heliograph_gateway.dead_letters.ports import DeadLetterStore
from heliograph_gateway.dead_letters.schemas import DeadLetterPage, DeadLetterShape, Replayed
from heliograph_gateway.http import cursor as cursors
from heliograph_gateway.http.parameters import Cursor
from heliograph_gateway.http.problems import BUS_UNAVAILABLE, CONFLICT, INVALID_CURSOR, NOT_FOUND
from heliograph_gateway.http.query import known_parameters
from heliograph_gateway.http.responses import json_response, next_link, problems, trace_id_of
from heliograph_gateway.http.services import Messages, provided
from heliograph_gateway.http.tags import Tag

DEAD_LETTERS = Tag("dead letters", "Inspect, replay and delete messages that could not be processed (administrators).")

router = APIRouter(tags=[DEAD_LETTERS], dependencies=[Depends(known_parameters)])

Letters = Annotated[DeadLetterStore, Depends(provided(DeadLetterStore))]
LetterId = Annotated[int, Path(ge=1, lt=1 << 63, description="Id of the dead letter.", examples=[17])]


@router.get(
    "/v1/dead-letters",
    summary="List dead letters",
    responses={200: {"model": DeadLetterPage}, **problems(INVALID_CURSOR, BUS_UNAVAILABLE)},
)
async def list_dead_letters(
    request: Request,
    letters: Letters,
    _caller: Admin,
    service: Annotated[
        str | None,
        Query(
            pattern=r"^[a-z][a-z0-9-]{0,39}$",
            description="Only dead letters of this service.",
            examples=["thumbnailer"],
        ),
    ] = None,
    limit: Annotated[int, Query(ge=1, le=200, description="Maximum number of dead letters per page.")] = 50,
    cursor: Cursor = None,
) -> Response:
    """Returns one page of the dead letters of all owners, newest first."""
    query = {"list": "dead-letters", "service": service}
    before = None if cursor is None else _position(cursors.decode(cursor, query))
    found = await letters.page(before=before, service=service, limit=limit + 1)
    page = found[:limit]
    more = cursors.encode(str(page[-1].sequence), query) if len(found) > limit else None
    url, headers = next_link(request, more)
    return json_response({"dead_letters": [_shape(letter) for letter in page], "next": url}, headers=headers)


@router.get(
    "/v1/dead-letters/{letter_id}",
    summary="Get a dead letter",
    responses={200: {"model": DeadLetterShape}, **problems(NOT_FOUND, BUS_UNAVAILABLE)},
)
async def get_dead_letter(letters: Letters, _caller: Admin, letter_id: LetterId) -> Response:
    """Returns the message with its headers, body and the reason why it could not be processed."""
    return json_response(_shape(await _letter(letters, letter_id)))


@router.post(
    "/v1/dead-letters/{letter_id}/replay",
    summary="Replay a dead letter",
    status_code=202,
    responses={202: {"model": Replayed}, **problems(NOT_FOUND, CONFLICT, BUS_UNAVAILABLE)},
)
async def replay_dead_letter(letters: Letters, messenger: Messages, _caller: Admin, letter_id: LetterId) -> Response:
    """Sends the message again under a new id, resets the failed image, file of an import or word that it is about, and
    deletes the dead letter. If the last step fails, the dead letter stays. Replaying it twice is safe."""
    letter = await _letter(letters, letter_id)
    command = _command(letter)
    if command is None:
        raise Problem(
            CONFLICT,
            "The message is not a command that this version supports, so it cannot be replayed. Delete it instead.",
        )
    async with messenger.transaction() as transaction:
        closed = await _close_circuit(transaction, command)
        await transaction.request(letter.letter.subject, command, owner=letter.envelope.owner)
        row = await work.find(transaction.connection, command.kind, command.target)
    await letters.drop(letter_id)
    assert row is not None  # noqa: S101 - it was asked for in this transaction
    return json_response(
        {"message_id": str(row.command_id), "subject": letter.letter.subject, "circuit_closed": closed}, 202
    )


@router.delete(
    "/v1/dead-letters/{letter_id}",
    summary="Delete a dead letter",
    status_code=204,
    response_class=Response,
    responses=problems(NOT_FOUND, BUS_UNAVAILABLE),
)
async def drop_dead_letter(letters: Letters, _caller: Admin, letter_id: LetterId) -> Response:
    """Deletes the dead letter permanently."""
    if not await letters.drop(letter_id):
        raise _no_such_letter(letter_id)
    return Response(status_code=204)


async def _letter(letters: DeadLetterStore, letter_id: int) -> StoredLetter:
    found = await letters.get(letter_id)
    if found is None:
        raise _no_such_letter(letter_id)
    return found


def _no_such_letter(letter_id: int) -> Problem:
    return Problem(NOT_FOUND, f"Dead letter {letter_id} does not exist.")


def _command(letter: StoredLetter) -> Command | None:
    """What the message asks for; ``None``: it is no command that this version knows."""
    with contextlib.suppress(MalformedMessage):
        original = decode(letter.letter.payload.encode())
        for kind in COMMANDS:
            with contextlib.suppress(MalformedMessage):
                return body_of(original, kind)
    return None


async def _close_circuit(transaction: Transaction, command: Command) -> bool:
    if not isinstance(command, RenderImage | AnalyzeImage | ListFolder | FetchFile | FindPicture):
        return False
    await work.lock(transaction.connection, command.kind, command.target)
    if isinstance(command, AnalyzeImage):
        return await analyses.reopen(transaction.connection, command.target, sent=True)
    if isinstance(command, FindPicture):
        return await word_queue.reopen(transaction.connection, command.target)
    if not isinstance(command, RenderImage):
        return await imports.reopen(transaction.connection, command.kind, command.target)
    row = await statements.reset_processing(transaction.connection, command.target)
    if row is None:
        return False
    retries.announce(transaction, await analysis.revive(transaction, row))
    return True


def _shape(stored: StoredLetter) -> dict[str, Any]:
    letter = stored.letter
    command = _command(stored)
    return {
        "id": str(stored.sequence),
        "service": letter.service,
        "subject": letter.subject,
        "owner": stored.envelope.owner,
        "reason": letter.reason,
        "error": letter.error,
        "deliveries": letter.deliveries,
        "died_at": rfc3339(letter.died_at),
        "image_id": str(command.image_id) if isinstance(command, ImageCommand | AnalyzeImage) else None,
        "trace_id": trace_id_of(letter.headers),
        "headers": letter.headers,
        "payload": letter.payload,
    }


def _position(text: str) -> int:
    if not text.isdecimal():
        raise cursors.not_issued()
    return int(text)
