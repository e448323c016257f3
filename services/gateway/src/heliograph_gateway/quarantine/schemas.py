"""The shapes of quarantined messages."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from heliograph_gateway.http.schemas import Shape


class QuarantinedShape(Shape):
    """A message that can never be published as it is, for ``reason``. ``bytes``: the length of its payload; ``owner``: null
    where that cannot be read; ``created_at``: when it was committed."""

    id: UUID
    subject: str
    owner: str | None
    reason: str
    bytes: int
    created_at: datetime
    quarantined_at: datetime
    trace_id: str | None


class QuarantinePage(Shape):
    """Quarantined messages, newest first."""

    messages: list[QuarantinedShape]
    next: str | None


class Released(Shape):
    """The message waits in the outbox again."""

    message_id: UUID
