"""The shapes of display sizes and of a run over existing images."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from heliograph_gateway.http.parameters import WHOLE
from heliograph_gateway.http.schemas import Shape


class Size(Shape):
    """A size that images are rendered in."""

    name: Annotated[
        str,
        Field(
            pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$",
            description="Unique name, which becomes part of URLs.",
            examples=["300"],
        ),
    ]
    kind: Annotated[
        Literal["thumbnail", "variant"],
        Field(description="Thumbnails are rendered first, and announced by an event of their own."),
    ]
    width: Annotated[int, Field(ge=1, le=16_384, description="Width in pixels.", examples=[300]), WHOLE]
    height: Annotated[int, Field(ge=1, le=16_384, description="Height in pixels.", examples=[300]), WHOLE]
    fit: Annotated[
        Literal["cover", "contain"],
        Field(
            description="`cover` fills the size and crops what exceeds it; `contain` fits the whole image into the size."
        ),
    ]
    format: Annotated[Literal["jpeg", "webp"], Field(description="File format of the renditions.")]
    quality: Annotated[
        int, Field(ge=1, le=100, description="Quality setting of the encoder, from 1 to 100.", examples=[82]), WHOLE
    ]


class DisplaySizes(Shape):
    """All display sizes, in the order in which they are rendered."""

    sizes: Annotated[list[Size], Field(min_length=1, max_length=20, description="The display sizes.")]


class SizeRunShape(Shape):
    """A run that renders existing images in the current display sizes."""

    id: Annotated[UUID, Field(description="Id of the run.", examples=["01a1f940-2b6d-7a0c-b1a4-7c4f20c5e9aa"])]
    state: Annotated[
        Literal["running", "complete", "superseded"],
        Field(description="State of the run. A run is superseded when a newer one starts.", examples=["running"]),
    ]
    total: Annotated[int, Field(description="Number of images when the run started.", examples=[1200])]
    queued: Annotated[int, Field(description="Number of images queued for rendering so far.", examples=[800])]
    waiting: Annotated[int, Field(description="Number of queued images that are not rendered yet.", examples=[80])]
    done: Annotated[int, Field(description="Number of queued images that are finished.", examples=[720])]
    progress: Annotated[int, Field(description="Progress in percent, from 0 to 100.", examples=[60])]
    started_at: Annotated[datetime, Field(description="When the run started.")]
    finished_at: Annotated[
        datetime | None, Field(description="When the run ended. Null while it is running.", examples=[None])
    ]
