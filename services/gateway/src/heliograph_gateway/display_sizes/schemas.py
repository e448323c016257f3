"""The shapes of display sizes and of a run over existing images."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from heliograph_gateway.http.parameters import WHOLE
from heliograph_gateway.http.schemas import Shape


class Size(Shape):
    """A size that pictures are rendered in, in pixels. ``quality`` is the encoder's."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")]
    kind: Literal["thumbnail", "variant"]
    width: Annotated[int, Field(ge=1, le=16_384), WHOLE]
    height: Annotated[int, Field(ge=1, le=16_384), WHOLE]
    fit: Literal["cover", "contain"]
    format: Literal["jpeg", "webp"]
    quality: Annotated[int, Field(ge=1, le=100), WHOLE]


class DisplaySizes(Shape):
    """All sizes, in the order in which they are rendered."""

    sizes: Annotated[list[Size], Field(min_length=1, max_length=20)]


class SizeRunShape(Shape):
    """A pass over all images. ``total``: how many there were; of these ``queued`` were sent to be rendered, of which
    ``waiting`` are not done yet. ``progress`` is 0 to 100."""

    id: UUID
    state: Literal["running", "complete", "superseded"]
    total: int
    queued: int
    waiting: int
    done: int
    progress: int
    started_at: datetime
    finished_at: datetime | None
