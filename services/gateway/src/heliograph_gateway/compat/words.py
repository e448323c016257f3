"""The routes of the older word system, over the features of words. Its clients read ``msg`` where their token is missing."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel
from starlette.datastructures import Headers
from starlette.responses import Response

from heliograph_common.db.engine import Database
from heliograph_common.db.words import entries
from heliograph_common.http.problems import Problem
from heliograph_gateway.access.scopes import OldReader, OldWriter
from heliograph_gateway.compat import word_shapes
from heliograph_gateway.compat.tags import COMPAT
from heliograph_gateway.compat.word_schemas import (
    OldBackground,
    OldCacheStats,
    OldCleared,
    OldPopulate,
    OldPopulated,
    OldWord,
    OldWordImage,
)
from heliograph_gateway.http import bodies
from heliograph_gateway.http.problems import BODY_TOO_LARGE, INVALID_BODY, INVALID_JSON, NOT_FOUND, WORD_IMAGE_NOT_FOUND
from heliograph_gateway.http.responses import header, json_response, problems
from heliograph_gateway.http.services import Db
from heliograph_gateway.words import spelling
from heliograph_gateway.words.pictures.routes import PictureService, retry_after
from heliograph_gateway.words.pictures.service import Picture, Queued
from heliograph_gateway.words.queue.routes import QueueOfWords
from heliograph_gateway.words.schemas import WORD_ID
from heliograph_gateway.words.service import no_such_word

router = APIRouter(tags=[COMPAT], deprecated=True)

OldWordId = Annotated[str, Path(description="Id of the word.", examples=[WORD_ID])]

_Model = TypeVar("_Model", bound=BaseModel)
_BODY = (INVALID_JSON, INVALID_BODY, BODY_TOO_LARGE)
_IMAGE: dict[int | str, dict[str, Any]] = {
    200: {"model": OldWordImage},
    202: {"model": OldWordImage, "description": "The word waits for an image.", "headers": header("Retry-After")},
}


@router.post(
    "/api/images/populate-queue",
    summary="Queue words for images",
    responses={200: {"model": OldPopulated}, **problems(*_BODY)},
    openapi_extra=bodies.Documented(OldPopulate, required=False),
)
async def populate_queue_old(request: Request, queue: QueueOfWords, _caller: OldWriter) -> Response:
    """Adds words without an image to the queue. Use ``POST /v1/words/sync`` instead."""
    wanted = await _read(request, OldPopulate)
    added = await queue.populate(wanted.type or "all", wanted.days)
    return json_response(word_shapes.populated(added, await queue.stats()))


@router.get(
    "/api/words/{word_id}/image",
    summary="Get the image of a word",
    responses={**_IMAGE, **problems(NOT_FOUND, WORD_IMAGE_NOT_FOUND)},
)
async def get_word_image_old(pictures: PictureService, caller: OldReader, word_id: OldWordId) -> Response:
    """Returns the image of the word, or its place in the queue. Use ``GET /v1/words/{word_id}/image`` instead."""
    return _answer(await pictures.show(word_id, caller.subject))


@router.post(
    "/api/images/search",
    summary="Find the image of a word",
    responses={**_IMAGE, **problems(NOT_FOUND, WORD_IMAGE_NOT_FOUND, *_BODY)},
    openapi_extra=bodies.Documented(OldWord),
)
async def search_image_old(request: Request, pictures: PictureService, database: Db, caller: OldReader) -> Response:
    """Returns the image of the word with this id or text, or its place in the queue. Use ``GET
    /v1/words/{word_id}/image`` instead."""
    word_id = await _word(database, await _read(request, OldWord))
    return _answer(await pictures.show(word_id, caller.subject))


@router.post(
    "/api/images/cache/clear",
    summary="Remove the image of a word",
    responses={200: {"model": OldCleared}, **problems(NOT_FOUND, *_BODY)},
    openapi_extra=bodies.Documented(OldWord),
)
async def clear_cache_old(request: Request, pictures: PictureService, database: Db, _caller: OldWriter) -> Response:
    """Removes the image of the word with this id or text, so that the word is searched for again. Use ``DELETE
    /v1/words/{word_id}/image`` instead."""
    word_id = await _word(database, await _read(request, OldWord))
    return json_response(word_shapes.cleared(word_id, had_one=await pictures.forget(word_id)))


@router.get(
    "/api/images/cache/stats",
    summary="Get numbers of images of words",
    responses={200: {"model": OldCacheStats}, **problems()},
)
async def get_cache_stats_old(queue: QueueOfWords, _caller: OldReader) -> Response:
    """Returns how many words have an image. Use ``GET /v1/words/stats`` instead."""
    return json_response(word_shapes.cache_stats(await queue.stats()))


@router.get(
    "/api/images/background/status",
    summary="Get the state of the search for images",
    responses={200: {"model": OldBackground}, **problems()},
)
async def get_background_status_old(queue: QueueOfWords, _caller: OldReader) -> Response:
    """Returns the state of the search for images of words. Use ``GET /v1/words/stats`` instead."""
    return json_response(word_shapes.background(await queue.stats()))


PATHS = frozenset(getattr(route, "path", "") for route in router.routes)


def tell_missing_token(problem: Problem, headers: Headers) -> None:
    """Adds what these clients read in a 401."""
    missing = "authorization" not in headers
    problem.extra["msg"] = "Missing Authorization Header" if missing else problem.detail


def _answer(found: Picture | Queued) -> Response:
    body = word_shapes.image(found)
    return json_response(body, 202, retry_after(found)) if isinstance(found, Queued) else json_response(body)


async def _read(request: Request, model: type[_Model]) -> _Model:
    """The body, whatever its type is said to be; none is an empty one."""
    body = await bodies.received(request, any_type=True)
    return bodies.validated(bodies.decoded(body) if body else {}, model)


async def _word(database: Database, wanted: OldWord) -> str:
    """The id of the word; of several with one text, of the one with the best rank."""
    if wanted.word_id is not None:
        return str(wanted.word_id)
    sought = spelling.searched(wanted.word or wanted.query or "").replace("\0", "")
    if not sought:
        raise bodies.invalid([("/word", "Required, unless `word_id` or `query` is sent")])
    async with database.transaction() as connection:
        found = await entries.texts(connection, sought, limit=1)
    if not found:
        raise no_such_word(sought)
    word_id: str = found[0].id
    return word_id
