"""The shape of an image, which several features answer. ``representation`` builds it; a test holds it to this."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from heliograph_gateway.http.schemas import Shape

State = Literal["pending", "processing", "complete", "failed"]


PriorityName = Literal["high", "normal", "low"]


class StagesShape(Shape):
    """The state of each step; ``analysis`` is null when nobody asked for one."""

    stored: State
    thumbnails: State
    variants: State
    analysis: State | None


class RenditionShape(Shape):
    """A rendered file: pixels, size in bytes; ``limited``: the original was smaller than the size asked for."""

    name: str
    kind: Literal["thumbnail", "variant"]
    width: int
    height: int
    format: str
    bytes: int
    limited: bool
    url: str


class ImageError(Shape):
    """Why an image failed."""

    reason: str
    retryable: bool
    attempts: int


class ImageShape(Shape):
    """One image. ``revision`` rises with each change of it: an event about the image whose ``revision`` is lower than this
    one is older than this answer. ``width`` and ``height`` are those of the upright original; ``progress`` is 0 to 100.
    ``requested_priority`` is what was asked for where ``priority`` is lower, because many pictures of the owner were
    waiting; ``notice`` says so in words while this one waits too."""

    id: UUID
    revision: Annotated[int, Field(ge=1)]
    name: str
    source: str
    sha256: str
    bytes: int
    mime_type: str
    width: int
    height: int
    frames: int
    taken_at: datetime | None
    created_at: datetime
    updated_at: datetime
    priority: PriorityName
    requested_priority: PriorityName | None
    notice: str | None
    thumbhash: str | None
    dominant_color: str | None
    phash: str | None
    exif: dict[str, Any] | None
    status: State
    progress: int
    stages: StagesShape
    error: ImageError | None
    completed_at: datetime | None
    renditions: list[RenditionShape]
    links: dict[str, str]
