"""The shape of what became of one file of several."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from heliograph_gateway.catalog.schemas import ImageShape
from heliograph_gateway.http.schemas import ProblemDocument, Shape


class FileOutcome(Shape):
    """Result for one of several files."""

    name: Annotated[str, Field(description="File name. Empty if the file has none.", examples=["beach.jpg"])]
    status: Annotated[
        int,
        Field(
            description="HTTP status for this file: 201 for a new image, 200 for a known one, or the status of `problem`.",
            examples=[201],
        ),
    ]
    image: Annotated[ImageShape | None, Field(description="The image. Missing if the file was rejected.")] = None
    problem: Annotated[
        ProblemDocument | None,
        Field(description="Why the file was rejected. Missing if it was accepted.", examples=[None]),
    ] = None
