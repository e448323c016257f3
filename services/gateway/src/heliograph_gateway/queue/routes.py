"""``GET /v1/queue``: how much work waits, and since when."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.responses import Response

from heliograph_gateway.access.scopes import Reader
from heliograph_gateway.http.query import known_parameters
from heliograph_gateway.http.responses import json_response, problems
from heliograph_gateway.http.services import provided
from heliograph_gateway.http.tags import Tag
from heliograph_gateway.queue.schemas import QueueShape
from heliograph_gateway.queue.service import Queue

QUEUE = Tag("queue", "State of the work queue.")

router = APIRouter(tags=[QUEUE], dependencies=[Depends(known_parameters)])


@router.get("/v1/queue", summary="Get queue status", responses={200: {"model": QueueShape}, **problems()})
async def get_queue(queue: Annotated[Queue, Depends(provided(Queue))], caller: Reader) -> Response:
    """Returns the depth of each work consumer and of the outbox, and the number of images completed and failed in the
    last 24 hours. While NATS is unavailable, the values that only NATS knows are null."""
    return json_response(await queue.state(caller))
