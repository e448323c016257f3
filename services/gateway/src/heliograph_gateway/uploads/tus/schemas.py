"""The shape of a resumable upload."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from heliograph_gateway.http.schemas import Shape


class TusUploadShape(Shape):
    """A resumable upload: ``offset`` of ``length`` bytes are stored (null: nobody knows yet how many there are to be). The
    link ``image`` is there once ``state`` is complete; ``partial`` ones are for concatenation, and never become one."""

    id: UUID
    state: Literal["open", "complete"]
    name: str
    offset: int
    length: int | None
    partial: bool
    created_at: datetime
    expires_at: datetime
    links: dict[str, str]
