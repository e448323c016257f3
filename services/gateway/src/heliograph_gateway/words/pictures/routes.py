"""``/v1/words/{id}/image``: the picture of a word. Whoever asks for one that is not there yet has the word searched next."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from heliograph_common.blobs.port import Blobs
from heliograph_common.clock import utc_now
from heliograph_common.db import statements
from heliograph_common.db.engine import Database
from heliograph_common.db.rows import Row
from heliograph_common.errors import NotFound
from heliograph_gateway.access.scopes import Reader, Writer
from heliograph_gateway.catalog.signing import rendition_file
from heliograph_gateway.http import bodies
from heliograph_gateway.http.problems import (
    BLOBS_UNAVAILABLE,
    BODY_TOO_LARGE,
    INVALID_BODY,
    INVALID_JSON,
    NOT_FOUND,
    UNSUPPORTED_MEDIA_TYPE,
    WORD_IMAGE_NOT_FOUND,
)
from heliograph_gateway.http.query import known_parameters
from heliograph_gateway.http.responses import header, json_response, problems
from heliograph_gateway.http.services import Db, Objects, Settings, provided
from heliograph_gateway.settings import GatewaySettings
from heliograph_gateway.words.pictures import representation
from heliograph_gateway.words.pictures.representation import Signed
from heliograph_gateway.words.pictures.schemas import PictureRequest, WordPicture
from heliograph_gateway.words.pictures.service import Picture, Pictures, Queued
from heliograph_gateway.words.queue import representation as waiting
from heliograph_gateway.words.queue.schemas import WaitingShape
from heliograph_gateway.words.schemas import WordId
from heliograph_gateway.words.tags import WORDS

router = APIRouter(tags=[WORDS], dependencies=[Depends(known_parameters)])

PictureService = Annotated[Pictures, Depends(provided(Pictures))]

_PATH = "/v1/words/{word_id}/image"
_PRIVATE = {"Cache-Control": "private, no-store"}  # signed URLs expire
_SOONEST, _LATEST = 2, 3_600
"""Seconds after which a client is to ask again: an estimate may be days ahead, and wrong."""
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"model": WordPicture},
    202: {
        "model": WaitingShape,
        "description": "The word waits for an image.",
        "headers": header("Retry-After"),
    },
}


@router.get(
    _PATH,
    summary="Get the image of a word",
    responses={**_ANSWERS, **problems(NOT_FOUND, WORD_IMAGE_NOT_FOUND, BLOBS_UNAVAILABLE)},
)
async def get_word_image(
    pictures: PictureService, database: Db, blobs: Objects, settings: Settings, caller: Reader, word_id: WordId
) -> Response:
    """Returns the image of the word, to be shown from its provider with its attribution. If copies are stored, also returns
    signed URLs of the renditions. While the word has no image yet, returns 202 with its place in the queue, and moves it to
    the front, for up to 100 words per caller."""
    found = await pictures.show(word_id, caller.subject)
    return await _answer(found, database, blobs, settings)


@router.post(
    _PATH,
    summary="Change the image of a word",
    responses={
        **_ANSWERS,
        **problems(
            NOT_FOUND,
            WORD_IMAGE_NOT_FOUND,
            BLOBS_UNAVAILABLE,
            INVALID_JSON,
            INVALID_BODY,
            BODY_TOO_LARGE,
            UNSUPPORTED_MEDIA_TYPE,
        ),
    },
    openapi_extra=bodies.Documented(PictureRequest, required=False),
)
async def change_word_image(
    request: Request,
    pictures: PictureService,
    database: Db,
    blobs: Objects,
    settings: Settings,
    caller: Writer,
    word_id: WordId,
) -> Response:
    """Replaces the image of the word. With `photo_id`, by that photo: at once if it is among the `alternatives`, otherwise
    once it was looked up. Without, by the best of the `alternatives`; if none is left, the word is searched for again. An
    image that was replaced without naming another one is not chosen for the word again."""
    wanted = await bodies.read(request, PictureRequest, empty=PictureRequest())
    if wanted.photo_id is None:
        found = await pictures.another(word_id, caller.subject)
    else:
        found = await pictures.name(word_id, wanted.photo_id, caller.subject)
    return await _answer(found, database, blobs, settings)


@router.delete(
    _PATH,
    summary="Remove the image of a word",
    status_code=204,
    responses={204: {"description": "The word has no image."}, **problems(NOT_FOUND)},
)
async def remove_word_image(pictures: PictureService, _caller: Writer, word_id: WordId) -> Response:
    """Removes the image of the word, or the record that none was found, so that the word is searched for again. A stored
    copy stays an image of its owner."""
    await pictures.forget(word_id)
    return Response(status_code=204)


def retry_after(found: Queued) -> dict[str, str]:
    """When to ask again for a word that waits."""
    budget = found.waiting.budget
    seconds = math.ceil((budget.due_at(found.waiting.place) - budget.spending.now).total_seconds())
    return {"Retry-After": str(min(max(seconds, _SOONEST), _LATEST))}


async def _answer(found: Picture | Queued, database: Database, blobs: Blobs, settings: GatewaySettings) -> Response:
    if isinstance(found, Queued):
        return json_response(waiting.waiting(found.word.id, found.waiting), 202, retry_after(found))
    signed = await _signed(found, database, blobs, settings)
    return json_response(representation.picture(found, signed), headers=_PRIVATE)


async def _signed(found: Picture, database: Database, blobs: Blobs, settings: GatewaySettings) -> Signed:
    """Renditions of the stored copy, whoever asks: the picture is the word's, and words are everybody's."""
    if found.row.image_id is None:
        return Signed()
    async with database.transaction() as connection:
        image = await statements.find_image(connection, found.row.image_id, owner=settings.words.owner)
        rows: Sequence[Row[Any]] = [] if image is None else await statements.renditions_of(connection, image.id)
    if image is None or not rows:
        return Signed()
    seconds = settings.s3.signed_url_seconds
    expires_at = utc_now() + timedelta(seconds=seconds)
    urls = await asyncio.gather(
        *(rendition_file(image, row).sign(blobs, seconds) for row in rows), return_exceptions=True
    )
    return Signed([(row, url) for row, url in zip(rows, map(_there, urls), strict=True) if url is not None], expires_at)


def _there(url: str | BaseException) -> str | None:
    """A URL, or nothing where the object is lost, which checks find and repair."""
    if isinstance(url, NotFound):
        return None
    if isinstance(url, BaseException):
        raise url
    return url
