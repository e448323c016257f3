"""``/v1/words/sync`` and ``/v1/words/stats``: fill the queue of words, and count it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from heliograph_gateway.access.scopes import Reader, Writer
from heliograph_gateway.http import bodies
from heliograph_gateway.http.problems import BODY_TOO_LARGE, INVALID_BODY, INVALID_JSON, UNSUPPORTED_MEDIA_TYPE
from heliograph_gateway.http.query import known_parameters
from heliograph_gateway.http.responses import json_response, problems
from heliograph_gateway.http.services import provided
from heliograph_gateway.words.queue import representation
from heliograph_gateway.words.queue.schemas import Synced, SyncRequest, WordStats
from heliograph_gateway.words.queue.service import WordQueue
from heliograph_gateway.words.tags import WORDS

router = APIRouter(tags=[WORDS], dependencies=[Depends(known_parameters)])

QueueOfWords = Annotated[WordQueue, Depends(provided(WordQueue))]


@router.post(
    "/v1/words/sync",
    summary="Populate the queue of words",
    responses={
        200: {"model": Synced},
        **problems(INVALID_JSON, INVALID_BODY, BODY_TOO_LARGE, UNSUPPORTED_MEDIA_TYPE),
    },
    openapi_extra=bodies.Documented(SyncRequest, required=False),
)
async def sync_words(request: Request, queue: QueueOfWords, _caller: Writer) -> Response:
    """Adds words to the queue that have no image, are not queued yet, and were not missed lately. A word is queued once at
    most. The queue populates itself regularly too; ``GET /v1/words/stats`` shows when."""
    wanted = await bodies.read(request, SyncRequest, empty=SyncRequest())
    added = await queue.populate(wanted.type, wanted.days)
    return json_response(representation.synced(added, await queue.stats()))


@router.get("/v1/words/stats", summary="Get numbers of words", responses={200: {"model": WordStats}, **problems()})
async def get_word_stats(queue: QueueOfWords, _caller: Reader) -> Response:
    """Returns how many words there are, how many have an image or wait for one, and the requests that the provider still
    allows in this hour."""
    return json_response(representation.stats(await queue.stats()))
