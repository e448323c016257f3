"""The shapes of dead letters."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from heliograph_gateway.http.schemas import Shape


class DeadLetterShape(Shape):
    """A message that could not be handled. ``payload`` and ``headers`` are the original's."""

    id: str
    service: str
    subject: str
    owner: str
    reason: str
    error: str
    deliveries: int
    died_at: datetime
    image_id: str | None
    trace_id: str | None
    headers: dict[str, str]
    payload: str


class DeadLetterPage(Shape):
    """Dead letters, newest first."""

    dead_letters: list[DeadLetterShape]
    next: str | None


class Replayed(Shape):
    """The work was asked for again by a new message; ``circuit_closed``: its image had failed and is pending again."""

    message_id: UUID
    subject: str
    circuit_closed: bool
