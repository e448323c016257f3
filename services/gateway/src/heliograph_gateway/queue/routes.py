"""``GET /v1/queue``: how much work waits, and since when."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.responses import Response

from heliograph_gateway.access.scopes import Reader
from heliograph_gateway.http.query import known_parameters
from heliograph_gateway.http.responses import json_response, problems
from heliograph_gateway.http.services import provided
from heliograph_gateway.queue.schemas import QueueShape
from heliograph_gateway.queue.service import Queue

router = APIRouter(tags=["queue"], dependencies=[Depends(known_parameters)])


@router.get("/v1/queue", summary="Work that waits", responses={200: {"model": QueueShape}, **problems()})
async def get_queue(queue: Annotated[Queue, Depends(provided(Queue))], caller: Reader) -> Response:
    """Depth of every work consumer, of the outbox, and what was finished in the last 24 hours. While NATS is away it
    answers with what PostgreSQL knows."""
    return json_response(await queue.state(caller))
