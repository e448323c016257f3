"""``/v1/words``: write words in bulk, list, show and delete them.

Words are the installation's, not their sender's: everyone reads them, and whoever may write images may write words, as in
the system whose clients do so with the tokens that they have.
"""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from heliograph_common.db.words.entries import is_id, key_of
from heliograph_gateway.access.scopes import Reader, Writer
from heliograph_gateway.http import bodies
from heliograph_gateway.http import cursor as cursors
from heliograph_gateway.http.parameters import Cursor
from heliograph_gateway.http.problems import (
    BODY_TOO_LARGE,
    INVALID_BODY,
    INVALID_CURSOR,
    INVALID_JSON,
    NOT_FOUND,
    UNAVAILABLE,
    UNSUPPORTED_MEDIA_TYPE,
)
from heliograph_gateway.http.query import known_parameters
from heliograph_gateway.http.responses import json_response, next_link, problems, tagged
from heliograph_gateway.http.services import Db, provided
from heliograph_gateway.words import bulk, queries, representation, spelling
from heliograph_gateway.words.queries import WordFilter
from heliograph_gateway.words.schemas import PictureFilter, WordId, WordPage, WordShape, WordsRequest, WordsWritten
from heliograph_gateway.words.service import Words, no_such_word
from heliograph_gateway.words.tags import WORDS

router = APIRouter(tags=[WORDS], dependencies=[Depends(known_parameters)])

WordService = Annotated[Words, Depends(provided(Words))]


@router.put(
    "/v1/words",
    summary="Create and change words",
    responses={
        200: {"model": WordsWritten},
        **problems(INVALID_JSON, INVALID_BODY, BODY_TOO_LARGE, UNSUPPORTED_MEDIA_TYPE, UNAVAILABLE),
    },
    openapi_extra=bodies.Documented(WordsRequest),
)
async def put_words(request: Request, words: WordService, _caller: Writer) -> Response:
    """Creates the words whose ids are new, and replaces the others; words that are not sent stay. Send up to 30,000 words
    per request. If any word is invalid, nothing is written, and `errors` lists the first 50 errors. After a 503, some of the
    words may have been written: send the request again. A word whose text or language changes loses its image, unless
    somebody named that image."""
    body = await bodies.received(request, bulk.BODY_BYTES, remedy=bulk.REMEDY)
    async with words.turn():
        found = await asyncio.to_thread(bulk.read, body)
        written = await words.write(found.entries)
    return json_response(
        {
            "received": found.received,
            "created": written.created,
            "updated": written.updated,
            "unchanged": written.unchanged,
            "duplicates": found.received - len(found.entries),
        }
    )


@router.get("/v1/words", summary="List words", responses={200: {"model": WordPage}, **problems(INVALID_CURSOR)})
async def list_words(
    request: Request,
    database: Db,
    _caller: Reader,
    language: Annotated[
        str | None, Query(max_length=30, description="Only words of this language.", examples=["en"])
    ] = None,
    q: Annotated[
        str | None,
        Query(
            min_length=1,
            max_length=spelling.LONGEST,
            description="Only words that begin with this text, whatever their case.",
            examples=["light"],
        ),
    ] = None,
    picture: Annotated[
        PictureFilter | None,
        Query(
            description="Only words `with` or `without` an image, those `queued` for one, or those `missed` lately.",
        ),
    ] = None,
    limit: Annotated[int, Query(ge=1, le=500, description="Maximum number of words per page.")] = 100,
    cursor: Cursor = None,
) -> Response:
    """Returns one page of words, ordered by id. With filters, a page may be short or empty and still have a next one: each
    looks at 5,000 words at most."""
    wanted = WordFilter(
        language=None if language is None else spelling.language(language),
        q=None if q is None else spelling.searched(q),
        picture=picture,
    )
    query = wanted.as_query()
    after = None if cursor is None else cursors.decode(cursor, query)
    if after is not None and not is_id(after):
        raise cursors.not_issued()
    async with database.transaction() as connection:
        page = await queries.page(connection, wanted, after=after, limit=limit)
    url, headers = next_link(request, None if page.next is None else cursors.encode(page.next, query))
    return json_response({"words": [representation.word(row) for row in page.rows], "next": url}, headers=headers)


@router.get(
    "/v1/words/{word_id}",
    summary="Get a word",
    responses={
        200: {"model": WordShape},
        304: {"description": "The representation has not changed."},
        **problems(NOT_FOUND),
    },
)
async def get_word(request: Request, database: Db, _caller: Reader, word_id: WordId) -> Response:
    """Returns the word with a strong ETag. Supports ``If-None-Match``."""
    async with database.transaction() as connection:
        row = await queries.find(connection, key_of(word_id))
    if row is None:
        raise no_such_word(word_id)
    return tagged(request, representation.word(row))


@router.delete(
    "/v1/words/{word_id}",
    summary="Delete a word",
    status_code=204,
    responses={204: {"description": "The word was deleted."}, **problems(NOT_FOUND)},
)
async def delete_word(words: WordService, _caller: Writer, word_id: WordId) -> Response:
    """Deletes the word, from the queue and all vocabularies too. A stored copy of its image stays."""
    await words.delete(word_id)
    return Response(status_code=204)
