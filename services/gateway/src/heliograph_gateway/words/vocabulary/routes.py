"""``/v1/vocabulary``: the words that the caller learns. Those come before others in the queue."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from heliograph_gateway.access.scopes import Reader, Writer
from heliograph_gateway.http import cursor as cursors
from heliograph_gateway.http.parameters import Cursor
from heliograph_gateway.http.problems import INVALID_CURSOR, NOT_FOUND
from heliograph_gateway.http.query import known_parameters
from heliograph_gateway.http.responses import json_response, next_link, problems
from heliograph_gateway.http.services import Db
from heliograph_gateway.words import queries, representation
from heliograph_gateway.words.routes import WordService
from heliograph_gateway.words.schemas import VocabularyEntry, VocabularyPage, WordId
from heliograph_gateway.words.tags import WORDS

router = APIRouter(tags=[WORDS], dependencies=[Depends(known_parameters)])

_QUERY = {"list": "vocabulary"}


@router.get(
    "/v1/vocabulary",
    summary="List the words of your vocabulary",
    responses={200: {"model": VocabularyPage}, **problems(INVALID_CURSOR)},
)
async def list_vocabulary(
    request: Request,
    database: Db,
    caller: Reader,
    limit: Annotated[int, Query(ge=1, le=500, description="Maximum number of words per page.")] = 100,
    cursor: Cursor = None,
) -> Response:
    """Returns one page of the caller's vocabulary."""
    after = None if cursor is None else cursors.decode_id(cursor, _QUERY)
    async with database.transaction() as connection:
        found = await queries.vocabulary(connection, caller.subject, after=after, limit=limit + 1)
    page = found[:limit]
    more = cursors.encode(str(page[-1].key), _QUERY) if len(found) > limit else None
    url, headers = next_link(request, more)
    return json_response({"vocabulary": [representation.entry(row) for row in page], "next": url}, headers=headers)


@router.put(
    "/v1/vocabulary/{word_id}",
    summary="Add a word to your vocabulary",
    responses={200: {"model": VocabularyEntry}, **problems(NOT_FOUND)},
)
async def add_to_vocabulary(words: WordService, caller: Writer, word_id: WordId) -> Response:
    """Adds the word to the caller's vocabulary. If it has no image, it moves up in the queue."""
    return json_response(representation.entry(await words.learn(word_id, caller.subject)))


@router.delete(
    "/v1/vocabulary/{word_id}",
    summary="Remove a word from your vocabulary",
    status_code=204,
    responses={204: {"description": "The word was removed from the vocabulary."}, **problems(NOT_FOUND)},
)
async def remove_from_vocabulary(words: WordService, caller: Writer, word_id: WordId) -> Response:
    """Removes the word from the caller's vocabulary. The word itself, its image and its place in the queue stay."""
    await words.unlearn(word_id, caller.subject)
    return Response(status_code=204)
